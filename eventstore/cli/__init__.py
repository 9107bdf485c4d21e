"""The command line `eventstore`: it parses arguments, calls the store's verbs, and prints."""
