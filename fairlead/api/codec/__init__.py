"""The codec: messages to and from Kubernetes' JSON and YAML, etcd's bytes and the wire's Any.

Everything that crosses an edge passes here; the names below are all that others use. Compiled per message
type from the field table at first use.
"""

from fairlead.api.codec.convert import (
    decode_custom,
    decode_object,
    dumps,
    from_json,
    to_json,
    to_yaml,
    unknown_fields,
)
from fairlead.api.codec.errors import MOST_STRICT_FAULTS, DecodeError, ExcessiveAliasing, StrictDecodeError
from fairlead.api.codec.golang import told as in_go_words
from fairlead.api.codec.jsonfaults import told as json_fault
from fairlead.api.codec.normal import normalise
from fairlead.api.codec.storage import (
    custom_from_any,
    decode_stored,
    decode_stored_custom,
    encode_stored,
    envelope,
    enveloped,
    from_any,
    message_from_any,
    opened,
    to_any,
    varint,
)
from fairlead.api.codec.text import Document, documents, duplicate_fields, load_yaml_documents, loads
from fairlead.api.codec.text import to_yaml as dump_yaml

__all__ = [
    "MOST_STRICT_FAULTS",
    "DecodeError",
    "Document",
    "ExcessiveAliasing",
    "StrictDecodeError",
    "custom_from_any",
    "decode_custom",
    "decode_object",
    "decode_stored",
    "decode_stored_custom",
    "documents",
    "dump_yaml",
    "dumps",
    "duplicate_fields",
    "encode_stored",
    "envelope",
    "enveloped",
    "from_any",
    "from_json",
    "in_go_words",
    "json_fault",
    "load_yaml_documents",
    "loads",
    "message_from_any",
    "normalise",
    "opened",
    "to_any",
    "to_json",
    "to_yaml",
    "unknown_fields",
    "varint",
]
