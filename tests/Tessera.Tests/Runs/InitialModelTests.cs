using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Runs;

/// <summary>New runs that begin from a model's weights.</summary>
public sealed class InitialModelTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Take_All_Weights_Where_They_Fit()
    {
        var source = folder.File("source");
        TestRuns.Train(source, PackedShapes.Options, shapes.Images);

        using var model = ModelFile.Load(source);
        using var begun = BegunFrom(source, PackedShapes.Options);

        foreach (var ((name, one), (_, other)) in model.Model.named_parameters().Zip(begun.Model.named_parameters())) other.ShouldBeNear(one, 1e-9, name);
    }

    [Fact]
    public void Take_The_Encoder_Alone_Where_The_Decoder_Does_Not_Fit()
    {
        var source = folder.File("source");
        TestRuns.Train(source, PackedShapes.Options, shapes.Images);
        var options = PackedShapes.Options.WithObjective(o => o with { Placement = MaskPlacement.Decoder });

        using var model = ModelFile.Load(source);
        using var begun = BegunFrom(source, options);

        foreach (var (one, other) in model.Model.Encoder.parameters().Zip(begun.Model.Encoder.parameters())) other.ShouldBeNear(one, 1e-9);
        using var drawn = new MaskedAutoencoder(options.ToModel(), options.Seed);
        var ofDecoder = begun.Model.named_parameters().Single(p => p.name == "decoder_embed.weight").parameter;
        ofDecoder.ShouldBeNear(drawn.named_parameters().Single(p => p.name == "decoder_embed.weight").parameter, 1e-9);
    }

    [Theory]
    [InlineData(Teaching.Pixels, Teaching.Views, false)]
    [InlineData(Teaching.Views, Teaching.Pixels, false)]
    [InlineData(Teaching.Pixels, Teaching.PixelsAndViews, true)]
    [InlineData(Teaching.PixelsAndViews, Teaching.Pixels, true)]
    public void Take_What_Both_Have_Where_Another_Objective_Taught_It(Teaching before, Teaching after, bool decoder)
    {
        var (source, options) = (folder.File("source"), PackedShapes.Options.WithObjective(o => o with { Teaching = after }));
        TestRuns.Train(source, PackedShapes.Options.WithObjective(o => o with { Teaching = before }).WithTraining(t => t with { Epochs = 1 }), shapes.Images);

        var begun = Begin(source, options);

        using (var one = ModelFile.LoadEncoder(source))
        using (var other = ModelFile.LoadEncoder(begun))
            foreach (var (taken, value) in one.Encoder.parameters().Zip(other.Encoder.parameters())) value.ShouldBeNear(taken, 1e-9);
        using var weights = SafetensorsFile.Open(RunDirectory.NewestCheckpoint(begun)!);
        using var drawn = new MaskedAutoencoder(options.ToModel(), options.Seed);
        if (after != Teaching.Pixels) ShouldHold("projector.fc3.weight", new ProjectionHead(128, options.Seed).named_parameters().Single(p => p.name == "fc3.weight").parameter); // it is never taken
        if (after == Teaching.Views) return;
        using var from = decoder ? ModelFile.Load(source) : null;
        const string name = "decoder_pred.fc2.weight";
        ShouldHold(name, (from?.Model ?? drawn).named_parameters().Single(p => p.name == name).parameter);

        void ShouldHold(string tensor, Tensor expected)
        {
            using var held = empty_like(expected);
            ModelFile.Read(begun, weights, ModelFile.CheckpointPrefix + tensor, held);
            held.ShouldBeNear(expected, 1e-9, tensor);
        }
    }

    [Fact]
    public void Refuse_Another_Encoder_And_Leave_Nothing_Running()
    {
        var source = folder.File("source");
        TestRuns.Train(source, PackedShapes.Options, shapes.Images);
        var options = PackedShapes.Options.WithEncoder(e => e with { PatchSize = 4 }) with { Init = source };
        Should.Throw<ModelFileException>(() => TestRuns.Train(folder.File("run"), options, shapes.Images))
            .Message.ShouldContain("the patch size is 8, not 4");
    }

    /// <summary>The model of a new run before its first step makes a difference: at a rate of almost 0.</summary>
    private PretrainedModel BegunFrom(string source, PretrainOptions options) => ModelFile.Load(Begin(source, options));

    private string Begin(string source, PretrainOptions options)
    {
        var run = folder.File("begun");
        TestRuns.TrainUntil(run, options.WithTraining(t => t with { LearningRate = 1e-12, WarmupEpochs = 0, WeightDecay = 0 }) with { Init = source }, shapes.Images, 1);
        return run;
    }
}
