using Tessera.Exports;

// The model's file, and the file to write. The golden picture needs libtorch, and lies in models/ already.
OnnxExport.Encoder(args[0], args[1], new OnnxExportOptions { Weights = WeightFormat.Fp16, Golden = false });
