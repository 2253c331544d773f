using Tessera.Imaging;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Runtime;

namespace Tessera.Tests.Fixtures;

/// <summary>64 drawn training pictures of 32 × 32 pixels, and 6 held out, packed once for a class of tests.</summary>
public sealed class PackedShapes : IDisposable
{
    private readonly ScratchFolder folder = new();

    public PackedShapes() => Images = PackedImages.OpenOrPack("shapes:64", new ImageShape(3, 32, 32), folder.Path);

    public PackedImages Images { get; }

    /// <summary>The same pictures, drawn each time they are read.</summary>
    public ImageSet Stream() => StreamedImages.Open(
        "shapes:64", Images.Shape, Options.Seed, cancellation: TestContext.Current.CancellationToken);

    /// <summary>A run of these pictures that takes moments: 4 steps an epoch.</summary>
    public static PretrainOptions Options { get; } = new()
    {
        Data = new() { Source = "shapes:64", ImageSize = "32" },
        Encoder = new() { Model = "vit-micro" },
        Objective = new() { Teaching = Teaching.Pixels },
        Training = new() { BatchSize = 16, Epochs = 2, LogSteps = 1, Clip = 1, Precision = Precision.Fp32 },
    };

    public void Dispose()
    {
        Images.Dispose();
        folder.Dispose();
    }
}
