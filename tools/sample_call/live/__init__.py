"""Makes the GPT-Live sibling of the sample call."""
