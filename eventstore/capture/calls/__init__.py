"""Calls by WebRTC and SIP: each is recorded by a sideband, as a webhook or an app tells of it."""
