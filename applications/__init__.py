"""Pretrained weights for the models of `zoo`: records, formats, conversion, loading."""
