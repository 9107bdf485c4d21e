"""The cache of sound files and waveforms, and the responses that send them in byte ranges."""
