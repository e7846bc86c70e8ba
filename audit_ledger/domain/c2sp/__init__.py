"""The formats that C2SP writes down, byte for byte: notes, checkpoints, cosignatures, policies, proofs, tiles."""
