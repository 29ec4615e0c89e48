"""The demonstration: real grocery data, or a generated retailer of any size."""
