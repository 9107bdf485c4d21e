"""Replay a session to a reader: its events as cues, at their own pace, faster or step by step."""
