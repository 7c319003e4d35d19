"""Quality: control plans, sampling, inspection, capability, gauges."""
