"""The core against its peers: engines in processes of their own, driven in interleaved bursts by one orchestrator."""
