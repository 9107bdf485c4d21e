"""Record calls by WebRTC and SIP, each by a sideband, when a webhook or an app names the call."""
