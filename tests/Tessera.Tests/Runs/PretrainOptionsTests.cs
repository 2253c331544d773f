using Tessera.Data;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;

namespace Tessera.Tests.Runs;

public sealed class PretrainOptionsTests
{
    [Fact]
    public void Accepts_Its_Defaults_And_Every_Recipe()
    {
        new PretrainOptions().Validate();
        foreach (var recipe in Recipes.All) recipe.Options.Validate();
    }

    [Fact]
    public void Names_All_Faults_Together()
    {
        var options = new PretrainOptions
        {
            Data = new() { ImageSize = "60", Limit = 0, NoPack = true, OnDevice = DataOnDevice.Yes },
            Objective = new() { MaskTokens = 0, Mask = new() { Ratio = 1, Masking = "stripes" } },
            Augmentation = new() { SmallestCrop = 0 },
            Training = new() { Epochs = 0, BatchSize = -3, Accumulate = 0, EvaluateLimit = 0, FeatureLimit = -1, LogSteps = 0, CheckpointSteps = 0, WeightDecay = -0.1, WarmupEpochs = 3, LearningRate = double.NaN, Clip = 0, Workers = 0, EvaluateEvery = 0, AverageDecay = 1, CheckpointMinutes = 0 },
        };
        Should.Throw<OptionsException>(options.Validate).Message.ShouldBe(
            "The limit is 0: it must be at least 1; pictures that are not packed cannot be put on the device: pack them, or leave it to auto; "
            + "the image height 60 is not a multiple of the patch size 8: the nearest that work are 56 and 64; "
            + "the image width 60 is not a multiple of the patch size 8: the nearest that work are 56 and 64; "
            + "the number of mask tokens is 0: it must be at least 1; the mask ratio is 1: it must be above 0 and below 1; "
            + "there is no masking 'stripes': choose random, block, grid; the smallest crop is 0: it must be above 0 and at most 1; "
            + "the number of epochs is 0: it must be at least 1; the batch size is -3: it must be at least 1; "
            + "the accumulation is 0: it must be at least 1; "
            + "the number of workers is 0: it must be at least 1; the number of epochs between evaluations is 0: it must be at least 1; "
            + "the evaluation limit is 0: it must be at least 1; the feature limit is -1: it must be at least 0; the number of log steps is 0: it must be at least 1; "
            + "the number of checkpoint steps is 0: it must be at least 1; the weight decay is -0.1: it must be at least 0; "
            + "the learning rate is NaN: it must be above 0; the clipping norm is 0: it must be above 0; "
            + "the decay of averaged weights is 1: it must be above 0 and below 1; the number of checkpoint minutes is 0: it must be above 0; "
            + "the warm-up of 3 epochs is longer than the run of 0.");
    }

    [Fact]
    public void Names_All_Faults_Of_Views_Together() =>
        Should.Throw<OptionsException>(new PretrainOptions
        {
            Objective = new() { Teaching = Teaching.PixelsAndViews, Views = new() { Crops = 1, LocalCrops = -1, Temperature = 0, Weight = 0 } },
            Augmentation = new() { Colour = 3 },
            Training = new() { BatchSize = 1 },
        }.Validate).Message.ShouldBe(
            "The number of crops is 1: it must be at least 2, for there to be something to compare, and at most 64; "
            + "the number of local crops is -1: it must be at least 0 and at most 64; "
            + "the temperature is 0: it must be above 0; "
            + "the weight of views is 0: it must be above 0; to leave them out, teach by pixels alone; "
            + "the colour strength is 3: it must be at least 0 and below 2.5; "
            + "the batch is 1 picture: its views are compared with those of others, so it must be at least 2.");

    [Theory]
    [InlineData(65, 0, double.NaN, double.NaN, 3)]
    [InlineData(64, 65, double.PositiveInfinity, double.PositiveInfinity, 3)]
    [InlineData(2, 64, 1e-3, 1e-3, 0)]
    public void Refuses_More_Views_Than_Any_Recipe_Has_And_What_Is_No_Number(int crops, int localCrops, double temperature, double weight, int faults) =>
        new ViewOptions { Crops = crops, LocalCrops = localCrops, Temperature = temperature, Weight = weight }.Faults().Count().ShouldBe(faults);

    [Theory]
    [InlineData(Teaching.Pixels, 1, 1, true)]
    [InlineData(Teaching.Views, 1, 1, false)]
    [InlineData(Teaching.Views, 1, 2, true)] // accumulated batches are one
    [InlineData(Teaching.PixelsAndViews, 2, 1, true)]
    public void Needs_Another_Picture_To_Compare_Views_With(Teaching teaching, int batchSize, int accumulate, bool suffices)
    {
        var options = new PretrainOptions
        {
            Objective = new() { Teaching = teaching },
            Training = new() { BatchSize = batchSize, Accumulate = accumulate },
        };
        if (suffices) options.Validate();
        else Should.Throw<OptionsException>(options.Validate);
    }

    [Theory]
    [InlineData(Teaching.Pixels, "pixels")]
    [InlineData(Teaching.Views, "views")]
    [InlineData(Teaching.PixelsAndViews, "pixels+views")]
    public void Writes_And_Reads_What_Teaches_As_A_Word(Teaching teaching, string word)
    {
        using var folder = new ScratchFolder();
        RunDirectory.Create(folder.Path, new PretrainOptions { Objective = new() { Teaching = teaching } }).Dispose();
        File.ReadAllText(folder.File("options.json")).ShouldContain($"\"teaching\": \"{word}\"");
        var file = folder.File("other.json", System.Text.Encoding.UTF8.GetBytes($$$"""{ "objective": { "teaching": "{{{word}}}" } }"""));
        PretrainRun.ReadOptions(file).Objective.Teaching.ShouldBe(teaching);
    }

    [Theory]
    [InlineData(null, null, 0.2, 0, 0.4, 1)]
    [InlineData(0.7, 0.5, 0.7, 0.5, 0.7, 0.5)]
    [InlineData(0.1, 0.0, 0.1, 0, 0.1, 0)] // what is said holds for either
    public void Varies_Pictures_As_The_Objective_Needs_It(double? smallest, double? colour, double ofPixels, double colourOfPixels, double ofViews, double colourOfViews)
    {
        var options = new AugmentationOptions { SmallestCrop = smallest, Colour = colour };
        (options.Smallest, options.Strength).ShouldBe((ofPixels, colourOfPixels));
        (options.OfViews().Smallest, options.OfViews().Strength).ShouldBe((ofViews, colourOfViews));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-0.5)]
    [InlineData(double.NaN)]
    public void Refuses_A_Mask_Ratio_That_Hides_Nothing_Or_All(double ratio) =>
        Should.Throw<OptionsException>(() => new PretrainOptions
        {
            Objective = new() { Mask = new() { Ratio = ratio } },
        }.Validate())
            .Message.ShouldBe($"The mask ratio is {ratio}: it must be above 0 and below 1.");

    [Fact]
    public void Refuses_A_Model_That_It_Does_Not_Know() =>
        Should.Throw<OptionsException>(() => new PretrainOptions
        {
            Encoder = new() { Model = "vit-giant" },
        }.Validate())
            .Message.ShouldBe("There is no model 'vit-giant': choose vit-micro, vit-tiny, vit-small, vit-base, vit-large, vit-huge.");

    [Fact]
    public void Refuses_A_Batch_That_Cannot_Be_Counted() =>
        Should.Throw<OptionsException>(() => new PretrainOptions
        {
            Training = new() { BatchSize = 1 << 30, Accumulate = 4 },
        }.Validate())
            .Message.ShouldBe("4 batches of 1073741824 are more than a run can count: it must be at most 2147483647.");

    [Theory]
    [InlineData(true, DataOnDevice.Auto)]
    [InlineData(true, DataOnDevice.No)]
    [InlineData(false, DataOnDevice.Yes)]
    public void Accepts_Streaming_Wherever_It_Does_Not_Have_To_Be_On_The_Device(bool noPack, DataOnDevice onDevice) =>
        new PretrainOptions
        {
            Data = new() { NoPack = noPack, OnDevice = onDevice },
        }.Validate();

    [Theory]
    [InlineData("64", 64, 64)]
    [InlineData("64x96", 64, 96)]
    [InlineData("32X4096", 32, 4096)]
    public void Reads_A_Size(string text, int height, int width) => new PretrainOptions
    {
        Data = new() { ImageSize = text },
    }.Data.Size.ShouldBe((height, width));

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-8")]
    [InlineData("64x")]
    [InlineData("64x64x3")]
    [InlineData("4104")]
    [InlineData("6 4")]
    [InlineData("99999999999")]
    public void Refuses_What_Is_No_Size(string text) =>
        Should.Throw<OptionsException>(() => new PretrainOptions
        {
            Data = new() { ImageSize = text },
        }.Validate())
            .Message.ShouldBe($"The image size is '{text}': write S or HxW in pixels, each 1 to 4096, such as 64 or 64x96.");

    [Fact]
    public void Scales_The_Rate_By_The_Effective_Batch()
    {
        var options = new PretrainOptions
        {
            Training = new() { BatchSize = 64, Accumulate = 8, LearningRate = 1e-3 },
        };
        options.Training.EffectiveBatch.ShouldBe(512);
        options.Training.PeakLearningRate.ShouldBe(2e-3, 1e-15);
    }

    [Fact]
    public void Comes_Back_From_A_Run_As_It_Went_In()
    {
        using var folder = new ScratchFolder();
        var options = new PretrainOptions
        {
            Data = new() { Source = "päth/with \"quotes\"", ImageSize = "64x96", Channels = 1, NoPack = true, OnDevice = DataOnDevice.No, Limit = 100, HoldOutDevelopment = true },
            Encoder = new() { Model = "vit-small", PatchSize = 4, Positions = PositionEmbedding.Learned, ClassToken = true, RegisterTokens = 2, LayerScale = true, NormEpsilon = 1e-5 },
            Objective = new() { Teaching = Teaching.Views, Views = new() { Crops = 3, LocalCrops = 5, Temperature = 0.1, Weight = 0.7 }, MaskTokens = 3, Placement = MaskPlacement.Decoder, DecoderDepth = 3, DecoderWidth = 64, DecoderHeads = 2, Target = ReconstructionTarget.NormalizedPixels, LossOn = LossPlaces.All, Mask = new() { Ratio = 0.1 + 0.2, Masking = "block", Unit = 8 } },
            Training = new() { Epochs = 7, BatchSize = 9, Accumulate = 2, LearningRate = 1e-5, WeightDecay = 0.1, WarmupEpochs = 0.5, Clip = 2, Device = "cpu", Precision = Precision.Bf16, EvaluateLimit = 10, FeatureLimit = 20, LogSteps = 3, CheckpointSteps = 11, Schedule = ScheduleShape.Constant, CoolDownFrom = 5, AverageDecay = 0.9, Workers = 3, Threads = 2, Ranks = 5, Wire = WireFormat.Bf16, EvaluateEvery = 2, CheckpointMinutes = 1 },
            Augmentation = new() { SmallestCrop = 0.4, Flip = false, Colour = 0.5, Policy = AugmentationPolicy.ThreeAugment, Erasing = 0.1 },
            Init = "a model",
            Seed = ulong.MaxValue,
        };
        // A property that is forgotten above would keep its default and prove nothing.
        ShouldDifferEverywhere(options, new PretrainOptions());

        RunDirectory.Create(folder.Path, options).Dispose();

        var (run, back) = PretrainRun.Open(folder.Path);
        run.Dispose();
        back.ShouldBe(options);

        static void ShouldDifferEverywhere(object one, object other)
        {
            foreach (var property in one.GetType().GetProperties().Where(p => p.CanWrite && p.Name != "Version"))
            {
                var (value, standard) = (property.GetValue(one), property.GetValue(other));
                if (value?.GetType().Namespace?.StartsWith("Tessera", StringComparison.Ordinal) == true && !value.GetType().IsEnum)
                    ShouldDifferEverywhere(value, standard!);
                else value.ShouldNotBe(standard, property.Name);
            }
        }
    }

    [Theory]
    [InlineData("""{ "training": { "epochs": "many" } }""", "$.training.epochs")]
    [InlineData("""{ "training": { "epoch": 3 } }""", "epoch")]
    [InlineData("""{ "epochs": 3 }""", "epochs")]
    [InlineData("""{ "objective": { "placement": 7 } }""", "$.objective.placement")]
    [InlineData("""{ "encoder": { "model": null } }""", "model")]
    [InlineData("{ \"seed\": 3", "LineNumber: 0")]
    [InlineData("null", "it is null")]
    public void Refuses_A_File_That_Holds_No_Options_And_Says_Where(string json, string where)
    {
        using var folder = new ScratchFolder();
        var file = folder.File("options.json", System.Text.Encoding.UTF8.GetBytes(json));
        var message = Should.Throw<RunDirectoryException>(() => PretrainRun.ReadOptions(file)).Message;
        message.ShouldStartWith($"{file} cannot be read as options: ");
        message.ShouldContain(where);
    }

    [Fact]
    public void Keeps_The_Defaults_Of_What_A_File_Leaves_Out()
    {
        using var folder = new ScratchFolder();
        var file = folder.File("options.json", "{ \"training\": { \"epochs\": 3 }, \"objective\": { \"placement\": \"decoder\" } }"u8.ToArray());
        PretrainRun.ReadOptions(file).ShouldBe(new PretrainOptions
        {
            Training = new() { Epochs = 3 },
            Objective = new() { Placement = MaskPlacement.Decoder },
        });
    }

    [Theory]
    [InlineData("""{ "version": 2 }""", "version 2", true)]
    [InlineData("""{ "version": 4, "wings": 2 }""", "version 4", true)]
    [InlineData("""{ "epochs": 3 }""", "no version", false)]
    public void Refuses_Options_Of_Another_Version_In_A_Sentence(string json, string what, bool alsoAsAFile)
    {
        using var folder = new ScratchFolder();
        var file = folder.File("options.json", System.Text.Encoding.UTF8.GetBytes(json));
        var expected = $"{file} holds options of {what}, and this Tessera reads version 3: use the Tessera that wrote them, or begin a new run.";
        Should.Throw<RunDirectoryException>(() => PretrainRun.Open(folder.Path)).Message.ShouldBe(expected);
        if (alsoAsAFile) Should.Throw<RunDirectoryException>(() => PretrainRun.ReadOptions(file)).Message.ShouldBe(expected);
    }
}
