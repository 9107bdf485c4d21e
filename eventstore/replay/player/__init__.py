"""Replay for people: a session's events as cues, at their own pace, faster or step by step."""
