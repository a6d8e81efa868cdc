"""The network in other forms: one ONNX file, or a Hugging Face Space."""

from s12lib.export.onnx_file import export_onnx

__all__ = ["export_onnx"]
