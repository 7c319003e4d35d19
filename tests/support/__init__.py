"""What tests of several packages share: loopback servers that speak the protocols we depend on."""
