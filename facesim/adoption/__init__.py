"""Put another recogniser, an ONNX file, behind facesim's detector, crop and localiser."""
