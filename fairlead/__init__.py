"""What both programs and users share: the API's contract, its clients and the command line."""
