"""Commands that keep a store in order: seal, copy, erase, repair, retain, rebuild."""
