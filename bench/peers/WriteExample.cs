#:project ../../src/Tessera/Tessera.csproj
#:property PublishAot=false

// Writes what compare_forward.py reads: pictures, masks and Tessera's own loss on them, for one model.
//     dotnet run -c Release bench/peers/WriteExample.cs -- MODEL EXAMPLE.safetensors
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

const int Count = 8;

if (args.Length != 2)
{
    Console.Error.WriteLine("usage: WriteExample MODEL EXAMPLE.safetensors");
    return 2;
}

LibTorch.Load(); // before anything of TorchSharp's runs
using var model = ModelFile.Load(args[0]);
var shape = model.Model.Options;
var masks = new MaskSampler(model.Mask, shape, seed: 7);
using var quiet = no_grad();
using var scope = NewDisposeScope();
manual_seed(7);
var images = randn(Count, shape.Encoder.Channels, shape.Encoder.ImageHeight, shape.Encoder.ImageWidth);
var patches = Patches.Cut(images, shape.Encoder.PatchSize);
using var mask = masks.Draw([.. Enumerable.Range(0, Count)], epoch: 0);
var loss = model.Model.call(patches, mask);

var tensors = new (string Name, Tensor Value)[]
{
    ("images", images), ("patches", patches), ("visible", mask.Visible), ("hidden", mask.Hidden), ("tokens", mask.Tokens), ("loss", loss),
};
SafetensorsWriter.Write(args[1], [.. tensors.Select(t => new SafetensorsTensor(
    t.Name, t.Value.dtype == ScalarType.Int64 ? SafetensorsType.I64 : SafetensorsType.F32, t.Value.shape,
    stream => stream.Write(t.Value.contiguous().bytes)))], new Dictionary<string, string>());
Console.WriteLine($"loss {loss.item<float>():G9} of {Count} pictures, written to {args[1]}");
return 0;
