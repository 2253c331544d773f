#:project ../src/Tessera/Tessera.csproj
#:property PublishAot=false

// How much alike two pictures are to a Vision Transformer of PyTorch's world: facebookresearch's MAE or DINOv2, timm's, Hugging Face's. No Python runs.
//
//     dotnet run pytorch-weights.cs -- vit_tiny_patch16_224.pth cat.jpg dog.jpg

using System.Numerics.Tensors;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Weights;
using Tessera.Weights.Layouts;
using Tessera.Weights.PyTorch;

if (args is not [var weights, var first, var second])
{
    Console.Error.WriteLine("usage: pytorch-weights.cs WEIGHTS PICTURE PICTURE");
    return 2;
}

try
{
    // Once; from then on the new file is all that is needed. The architecture is read from the tensors. What no tensor says comes from a config.json
    // beside the file or, where there is none, from these options: `new ImportOptions { Heads = 3, Normalization = ImportOptions.Half }`.
    var file = Path.ChangeExtension(weights, ".tessera.safetensors");
    if (!File.Exists(file))
    {
        ImportedModel imported = ModelImport.Import(weights, file, new ImportOptions());
        Console.WriteLine($"{imported.Layout}: {string.Join("; ", imported.LeftOut.Concat(imported.Notes).DefaultIfEmpty("everything was taken"))}");
    }

    using var encoder = PictureEncoder.Load(file);
    Console.WriteLine($"{encoder.Description.Encoder.Depth} blocks, {encoder.Description.Encoder.Heads} heads, {encoder.Width} values, pictures of {encoder.Shape}");
    Console.WriteLine($"{TensorPrimitives.CosineSimilarity<float>(encoder.Embed(first), encoder.Embed(second)):f3} alike");
    return 0;
}
catch (Exception e) when (e is ModelFileException or PyTorchFileException or SafetensorsException or ImagingException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
