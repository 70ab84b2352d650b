"""The devnet by gRPC: java-tron's calls for blocks and receipts, in the bytes that the chain keeps."""
