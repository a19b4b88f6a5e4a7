"""The API's contract: messages, scheme, codec, quantities, selectors, patches, conditions, errors. Pure."""
