"""Export sessions as traces, by OpenTelemetry's semantic conventions for generative AI."""
