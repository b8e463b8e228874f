"""Where a network is alive: one owner per live network, its writes in order of arrival."""
