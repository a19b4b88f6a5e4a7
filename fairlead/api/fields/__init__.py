"""Which fields of an object somebody owns: sets of fields, and JSON walked with the knowledge of its types. Pure.

`sets` is the algebra and the FieldsV1 text, `typings` what a part of an object is, `tabled` and `structural` make
typings from the field table and from a custom resource's schema; `walk`, `comparing` and `merging` use them.
"""
