using Tessera.Data;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Objectives;

public sealed class ViewsObjectiveTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private const int EffectiveBatch = 16;

    [Theory]
    [InlineData(Teaching.Views, MaskPlacement.Encoder, "random", false, 0, 2, 1, 0)] // a part a worker
    [InlineData(Teaching.Views, MaskPlacement.Decoder, "block", true, 2, 3, 1, 0)] // parts of unequal sizes
    [InlineData(Teaching.Views, MaskPlacement.Decoder, "grid", false, 1, 2, 4, 0)] // four batches are one
    [InlineData(Teaching.PixelsAndViews, MaskPlacement.Encoder, "grid", true, 1, 8, 1, 0)]
    [InlineData(Teaching.PixelsAndViews, MaskPlacement.Decoder, "random", false, 0, 3, 2, 0)]
    [InlineData(Teaching.PixelsAndViews, MaskPlacement.Encoder, "block", false, 2, 2, 1, 1L << 40)] // nothing may be kept: every part is computed twice
    [InlineData(Teaching.PixelsAndViews, MaskPlacement.Decoder, "block", true, 1, 2, 2, 80L << 20)] // some is kept
    public void Has_The_Gradients_Of_One_Pass_Over_The_Whole_Batch(
        Teaching teaching, MaskPlacement placement, string masking, bool classToken, int localCrops, int workers, int accumulate, long bytesKept)
    {
        using var scope = NewDisposeScope();
        var options = Options(teaching, placement, localCrops, classToken)
            .WithObjective(o => o with { Mask = o.Mask with { Masking = masking } })
            .WithTraining(t => t with { BatchSize = EffectiveBatch / accumulate, Accumulate = accumulate, Workers = workers, Device = "cpu", Clip = null });
        var data = Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images));
        using var made = Pretraining.ObjectiveOf(options, data);
        var objective = new Recosted(made.Objective, bytesKept);
        using var step = new TrainingStep(objective, data, options.Training);

        var (expected, gradients) = OnePass(objective, step);
        var loss = 0.0;
        foreach (var batch in step.Loader.Load(Pictures, options.Training.BatchSize, epoch: 0))
        {
            using (batch) loss += step.Accumulate(batch).item<float>() / accumulate;
        }
        loss += step.Update(1e-3)!.item<float>();

        loss.ShouldBe(expected, 2e-5 * Math.Abs(expected));
        var means = step.Optimizer.State.Where(s => s.Name.StartsWith("mean.", StringComparison.Ordinal)).ToDictionary(s => s.Name["mean.".Length..], s => s.Value);
        means.Keys.ShouldBe(gradients.Keys, ignoreOrder: true);
        foreach (var (name, gradient) in gradients)
        {
            var largest = gradient.abs().max().item<float>();
            largest.ShouldBeGreaterThan(0, name); // all that is trained is taught
            (means[name] / 0.1).ShouldBeNear(gradient, 3e-7 + 1e-3 * largest, name); // (1 - β1) of the gradient
        }
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder, false)]
    [InlineData(MaskPlacement.Decoder, true)]
    public void Lets_The_Mean_Of_The_Visible_Tokens_Stand_For_A_Crop_And_Of_All_For_A_Local_One(MaskPlacement placement, bool classToken)
    {
        using var scope = NewDisposeScope();
        using var made = Made(Options(Teaching.Views, placement, localCrops: 2, classToken));
        using var batch = Load(made.Objective);
        var (model, prepared) = (made.Model, Prepared(made.Objective, batch));
        var shape = model.Options.Encoder;

        var embeddings = made.Objective.Forward(prepared).Embeddings!.view(EffectiveBatch, 4, shape.Width);

        prepared.Views.Select(v => (v.Pixels.shape[2], v.Pixels.shape[3], v.Mask is not null)).ShouldBe([(32, 32, true), (32, 32, true), (16, 16, false), (16, 16, false)]);
        for (var v = 0; v < 2; v++)
        {
            var mask = prepared.Views[v].Mask!;
            var tokens = model.Encode(Patches.Pick(Patches.Cut(prepared.Views[v].Pixels, shape.PatchSize), mask.Visible), mask);
            tokens = tokens.narrow(1, classToken ? 1 : 0, tokens.shape[1] - (classToken ? 1 : 0));
            // Each visible place's token, found where the sequence in raster order has it.
            var seen = placement == MaskPlacement.Encoder ? Patches.Pick(mask.ToRasterOrder(tokens), mask.Visible) : tokens;
            seen.shape[1].ShouldBe(4);
            embeddings.select(1, v).ShouldBeNear(seen.mean([1]), 1e-5);
        }
        using var half = AtHalfTheSize(model.Encoder);
        for (var v = 2; v < 4; v++)
        {
            var tokens = half.call(prepared.Views[v].Pixels);
            embeddings.select(1, v).ShouldBeNear(tokens.narrow(1, classToken ? 1 : 0, 4).mean([1]), 1e-5);
        }
    }

    [Fact]
    public void Takes_The_Means_Of_Bf16_Tokens_In_Fp32()
    {
        using var scope = NewDisposeScope();
        using var made = Made(Options(Teaching.Views, MaskPlacement.Decoder, localCrops: 1, classToken: false));
        using var batch = Load(made.Objective);
        made.Model.to(ScalarType.BFloat16);
        var (model, first) = (made.Model, Prepared(made.Objective, batch).Views[0]);
        var tokens = model.Encode(Patches.Pick(Patches.Cut(first.Pixels, model.Options.Encoder.PatchSize), first.Mask!.Visible), first.Mask);
        tokens.dtype.ShouldBe(ScalarType.BFloat16);

        var embeddings = made.Objective.Forward(Prepared(made.Objective, batch)).Embeddings!;

        embeddings.dtype.ShouldBe(ScalarType.Float32);
        embeddings.narrow(1, 0, 128).ShouldBeNear(tokens.to(ScalarType.Float32).mean([1]), 1e-6);
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder)]
    [InlineData(MaskPlacement.Decoder)]
    public void Restores_The_First_Crop_As_Pixels_Alone_Do(MaskPlacement placement)
    {
        using var scope = NewDisposeScope();
        PretrainOptions Same(Teaching teaching) => Options(teaching, placement, localCrops: 1, classToken: false)
            .WithAugmentation(a => a with { SmallestCrop = 0.3, Colour = 0.5 });
        using var pixels = Made(Same(Teaching.Pixels));
        using var both = Made(Same(Teaching.PixelsAndViews));
        using var views = Made(Same(Teaching.Views));
        using var one = Load(pixels.Objective);
        using var several = Load(both.Objective);
        var (alone, beside) = (Prepared(pixels.Objective, one), Prepared(both.Objective, several));
        beside.Views[0].Pixels.ShouldEqual(alone.Views.ShouldHaveSingleItem().Pixels);
        beside.Views[0].Mask!.Hidden.ShouldEqual(alone.Views[0].Mask!.Hidden);
        beside.Views[1].Mask!.Hidden.IsSameAs(alone.Views[0].Mask!.Hidden).ShouldBeFalse(); // each view is masked by itself

        both.Objective.Forward(beside).Loss!.ShouldBeNear(pixels.Objective.Forward(alone).Loss!, 1e-6);
        views.Objective.Forward(beside).Loss.ShouldBeNull();
    }

    [Fact]
    public void Weighs_The_Comparison_Beside_Pixels_And_Not_By_Itself()
    {
        using var scope = NewDisposeScope();
        PretrainOptions Weighed(Teaching teaching) => Options(teaching, MaskPlacement.Encoder, localCrops: 1, classToken: false)
            .WithObjective(o => o with { Views = o.Views with { Weight = 0.7, Temperature = 0.3 } });
        using var both = Made(Weighed(Teaching.PixelsAndViews));
        using var views = Made(Weighed(Teaching.Views));
        var embeddings = Numbers.Tensor(21, 6, 3 * 128);
        var directions = Directions(views.Objective, embeddings.view(18, 128)).view(6, 3, ProjectionHead.OutputWidth);
        using var constants = new DeviceConstants();
        var expected = DecoupledContrast.Loss(directions, crops: 2, temperature: 0.3, constants);

        views.Objective.Couple(embeddings).ShouldBeNear(expected, 1e-5);
        both.Objective.Couple(embeddings).ShouldBeNear(expected * 0.7, 1e-5);
        foreach (var made in new[] { views, both }) made.Objective.Watched()[0].Metric.ShouldBe(new Metric("views/loss", expected.item<float>(), Metric.LossUnit));
    }

    [Fact]
    public void Watches_Whether_All_Views_Become_Alike()
    {
        using var scope = NewDisposeScope();
        using var made = Made(Options(Teaching.Views, MaskPlacement.Encoder, localCrops: 0, classToken: false));
        made.Objective.Watched().ShouldBeEmpty(); // before the first step

        made.Objective.Couple(Numbers.Tensor(22, 1, 128).expand(16, 128).reshape(8, 2 * 128)); // all alike
        Deviation().Metric.Value.ShouldBe(0, 1e-3);

        var embeddings = Numbers.Tensor(23, 64, 2 * 128);
        made.Objective.Couple(embeddings);
        Deviation().Metric.Value.ShouldBeInRange(0.8, 1); // GELU's mean is above 0, so that the head itself leans a little to one side
        // Its definition: the deviation of each coordinate of the directions, over that of a uniform one, averaged.
        var directions = Directions(made.Objective, embeddings.view(128, 128));
        var deviations = directions.t().Floats().Select(v => (double)v).Chunk(128).Select(values => Math.Sqrt(values.Sum(v => (v - values.Average()) * (v - values.Average())) / 127));
        Deviation().Metric.Value.ShouldBe(deviations.Average() * Math.Sqrt(ProjectionHead.OutputWidth), 1e-4);
        Deviation().Least.ShouldBe(0.1);
        Deviation().Advice.ShouldEndWith("try a lower learning rate, a longer warm-up, or a larger batch");
        Deviation().Options.ShouldBe(["Training.LearningRate", "Training.WarmupEpochs", "Training.BatchSize"]);

        Watched Deviation() => made.Objective.Watched().Single(w => w.Metric.Name == "views/deviation");
    }

    [Theory]
    [InlineData(Teaching.Views, MaskPlacement.Encoder, "encoder,mask_tokens,projector")]
    [InlineData(Teaching.Views, MaskPlacement.Decoder, "encoder,projector")] // mask tokens are the decoder's there
    [InlineData(Teaching.PixelsAndViews, MaskPlacement.Decoder, "decoder_blocks,decoder_embed,decoder_norm,decoder_pred,encoder,mask_tokens,projector")]
    public void Trains_No_Decoder_For_Views_Alone_And_Leaves_What_Only_Training_Needs_Out_Of_The_Result(Teaching teaching, MaskPlacement placement, string trained)
    {
        using var folder = new ScratchFolder();
        var options = Options(teaching, placement, localCrops: 0, classToken: false).WithTraining(t => t with { Epochs = 1 });
        using (var made = Made(options))
            made.Objective.Model.named_parameters().Select(p => p.name.Split('.')[0]).Distinct().Order(StringComparer.Ordinal).ShouldBe(trained.Split(','));

        var run = folder.File("run");
        var summary = TestRuns.Train(run, options, shapes.Images);

        (summary.HeldOut is null).ShouldBe(teaching == Teaching.Views);
        using var file = SafetensorsFile.Open(Path.Combine(run, "model.safetensors"));
        using var model = new MaskedAutoencoder(options.ToModel());
        var kept = model.named_parameters().Select(p => p.name).Where(n => teaching != Teaching.Views || n.StartsWith("encoder.", StringComparison.Ordinal));
        file.Entries.Keys.ShouldBe(kept, ignoreOrder: true);
        var newest = RunDirectory.NewestCheckpoint(run)!;
        using (var weights = SafetensorsFile.Open(newest)) weights.Entries.Keys.ShouldContain("model.projector.fc1.weight");
        foreach (var count in new[] { ModelInfo.Read(run).Parameters, ModelInfo.Read(newest).Parameters, summary.Parameters })
            count.ShouldBe((teaching == Teaching.Views ? model.Encoder : (nn.Module)model).parameters().Sum(p => p.numel()));
        using var result = ModelFile.LoadEncoder(run);
        using var checkpoint = ModelFile.LoadEncoder(newest);
        foreach (var (one, other) in result.Encoder.parameters().Zip(checkpoint.Encoder.parameters())) one.ShouldEqual(other);
        if (teaching == Teaching.Views) Should.Throw<ModelFileException>(() => ModelFile.Load(run));
        else ModelFile.Load(run).Dispose();
    }

    private static PretrainOptions Options(Teaching teaching, MaskPlacement placement, int localCrops, bool classToken) => PackedShapes.Options
        .WithObjective(o => o with { Teaching = teaching, Placement = placement, MaskTokens = 2, Views = new() { LocalCrops = localCrops } })
        .WithEncoder(e => e with { ClassToken = classToken, Positions = classToken ? PositionEmbedding.Learned : PositionEmbedding.SinCos });

    private static int[] Pictures { get; } = [.. Enumerable.Range(0, EffectiveBatch).Select(i => i * 3)];

    private PretrainObjective Made(PretrainOptions options) =>
        Pretraining.ObjectiveOf(options, Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images)));

    private Batch Load(Objective objective) => new BatchLoader(shapes.Images, objective.Plan).Load(Pictures, EffectiveBatch, epoch: 0).Single();

    private static PreparedBatch Prepared(Objective objective, Batch batch)
    {
        using var preparation = new BatchPreparation(objective.Plan, new PixelNormalization([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]), CPU);
        return preparation.Prepare(batch);
    }

    private static Tensor Directions(Objective objective, Tensor embeddings) =>
        nn.functional.normalize(((ProjectionHead)objective.Projector!).call(embeddings), dim: -1);

    /// <summary>The loss and the gradients without parts: one graph, one backward pass.</summary>
    private static (double Loss, Dictionary<string, Tensor> Gradients) OnePass(Objective objective, TrainingStep step)
    {
        using var batch = step.Loader.Load(Pictures, EffectiveBatch, epoch: 0).Single();
        var part = objective.Forward(step.Prepare(batch));
        var loss = objective.Couple(part.Embeddings!);
        if (part.Loss is { } own) loss = loss.Plus(own);
        loss.backward();
        var gradients = objective.Model.named_parameters().ToDictionary(p => p.name, p => p.parameter.grad!.clone());
        return (loss.item<float>(), gradients);
    }

    /// <summary>The same encoder for pictures of half the size, whose learned positions are the means of those that each of its places covers.</summary>
    private static VisionTransformer AtHalfTheSize(VisionTransformer encoder)
    {
        using var quiet = no_grad();
        var half = new VisionTransformer(encoder.Options with { ImageHeight = 16, ImageWidth = 16, Positions = PositionEmbedding.Learned });
        var own = half.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var (name, parameter) in encoder.named_parameters().Where(p => p.name != "pos_embed")) own[name].copy_(parameter);
        var positions = own["pos_embed"];
        if (encoder.Options.ClassToken) positions.narrow(1, 0, 1).copy_(encoder.named_parameters().Single(p => p.name == "pos_embed").parameter.narrow(1, 0, 1));
        positions.narrow(1, positions.shape[1] - 4, 4).copy_(encoder.PositionsOver(2, 2));
        return half;
    }

    /// <summary>The same objective, of which a picture is said to keep so many bytes; 0: as many as it says itself.</summary>
    private sealed class Recosted(Objective objective, long bytesKept) : Objective
    {
        public override nn.Module Model => objective.Model;

        public override BatchPlan Plan => objective.Plan;

        public override ObjectiveCost Cost => bytesKept == 0 ? objective.Cost : objective.Cost with { BytesKept = bytesKept, Tokens = 512 };

        public override bool Couples => objective.Couples;

        public override nn.Module? Projector => objective.Projector;

        public override ObjectivePart Forward(PreparedBatch part) => objective.Forward(part);

        public override Tensor Couple(Tensor embeddings) => objective.Couple(embeddings);

        public override ModelDescription Describe() => objective.Describe();
    }
}
