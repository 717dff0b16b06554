"""Reports of what is observed: how healthy it is, and manifests that describe it. Pure: nothing is planned or sent."""
