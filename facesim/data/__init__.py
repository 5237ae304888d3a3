"""Photos by identity: data sets, identity-disjoint splits, the crop cache, pairs, inspection."""
