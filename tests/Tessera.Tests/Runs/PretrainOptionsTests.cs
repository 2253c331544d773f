using Tessera.Data;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;

namespace Tessera.Tests.Runs;

public sealed class PretrainOptionsTests
{
    [Fact]
    public void Accepts_Its_Defaults_And_The_Quick_Start()
    {
        new PretrainOptions().Validate();
        PretrainOptions.QuickStart.Validate();
    }

    [Fact]
    public void Names_All_Faults_Together()
    {
        var options = new PretrainOptions
        {
            ImageSize = "60",
            MaskRatio = 1,
            Masking = "stripes",
            MaskTokens = 0,
            SmallestCrop = 0,
            Epochs = 0,
            BatchSize = -3,
            Accumulate = 0,
            Limit = 0,
            EvaluateLimit = 0,
            LogSteps = 0,
            CheckpointSteps = 0,
            WeightDecay = -0.1,
            WarmupEpochs = 3,
            LearningRate = double.NaN,
            Clip = 0,
            NoPack = true,
            DataOnDevice = DataOnDevice.Yes,
        };
        Should.Throw<PretrainOptionsException>(options.Validate).Message.ShouldBe(
            "The image height 60 is not a multiple of the patch size 8: the nearest that work are 56 and 64; "
            + "the image width 60 is not a multiple of the patch size 8: the nearest that work are 56 and 64; "
            + "the number of mask tokens is 0: it must be at least 1; the mask ratio is 1: it must be above 0 and below 1; "
            + "there is no masking 'stripes': choose random, block, grid; the smallest crop is 0: it must be above 0 and at most 1; "
            + "the number of epochs is 0: it must be at least 1; the batch size is -3: it must be at least 1; "
            + "the accumulation is 0: it must be at least 1; the limit is 0: it must be at least 1; "
            + "the evaluation limit is 0: it must be at least 1; the number of log steps is 0: it must be at least 1; "
            + "the number of checkpoint steps is 0: it must be at least 1; the weight decay is -0.1: it must be at least 0; "
            + "the learning rate is NaN: it must be above 0; the clipping norm is 0: it must be above 0; "
            + "the warm-up of 3 epochs is longer than the run of 0; "
            + "pictures that are not packed cannot be put on the device: leave out --no-pack, or use --data-on-device auto.");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-0.5)]
    [InlineData(double.NaN)]
    public void Refuses_A_Mask_Ratio_That_Hides_Nothing_Or_All(double ratio) =>
        Should.Throw<PretrainOptionsException>(() => new PretrainOptions { MaskRatio = ratio }.Validate())
            .Message.ShouldBe($"The mask ratio is {ratio}: it must be above 0 and below 1.");

    [Fact]
    public void Refuses_A_Model_That_It_Does_Not_Know() =>
        Should.Throw<PretrainOptionsException>(() => new PretrainOptions { Model = "vit-giant" }.Validate())
            .Message.ShouldBe("There is no model 'vit-giant': choose vit-micro, vit-tiny, vit-small, vit-base, vit-large, vit-huge.");

    [Fact]
    public void Refuses_A_Batch_That_Cannot_Be_Counted() =>
        Should.Throw<PretrainOptionsException>(() => new PretrainOptions { BatchSize = 1 << 30, Accumulate = 4 }.Validate())
            .Message.ShouldBe("4 batches of 1073741824 are more than a run can count: it must be at most 2147483647.");

    [Theory]
    [InlineData(true, DataOnDevice.Auto)]
    [InlineData(true, DataOnDevice.No)]
    [InlineData(false, DataOnDevice.Yes)]
    public void Accepts_Streaming_Wherever_It_Does_Not_Have_To_Be_On_The_Device(bool noPack, DataOnDevice onDevice) =>
        new PretrainOptions { NoPack = noPack, DataOnDevice = onDevice }.Validate();

    [Theory]
    [InlineData("64", 64, 64)]
    [InlineData("64x96", 64, 96)]
    [InlineData("32X4096", 32, 4096)]
    public void Reads_A_Size(string text, int height, int width) => new PretrainOptions { ImageSize = text }.Size.ShouldBe((height, width));

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
        Should.Throw<PretrainOptionsException>(() => new PretrainOptions { ImageSize = text }.Validate())
            .Message.ShouldBe($"The image size is '{text}': write S or HxW in pixels, each 1 to 4096, such as 64 or 64x96.");

    [Fact]
    public void Scales_The_Rate_By_The_Effective_Batch()
    {
        var options = new PretrainOptions { BatchSize = 64, Accumulate = 8, LearningRate = 1e-3 };
        options.EffectiveBatch.ShouldBe(512);
        options.PeakLearningRate.ShouldBe(2e-3, 1e-15);
    }

    [Fact]
    public void Comes_Back_From_A_Run_As_It_Went_In()
    {
        using var folder = new ScratchFolder();
        var options = new PretrainOptions
        {
            Data = "päth/with \"quotes\"",
            Model = "vit-small",
            ImageSize = "64x96",
            PatchSize = 4,
            Channels = 1,
            Positions = PositionEmbedding.Learned,
            ClassToken = true,
            MaskRatio = 0.1 + 0.2,
            Masking = "block",
            MaskUnit = 8,
            MaskTokens = 3,
            Placement = MaskPlacement.Decoder,
            DecoderDepth = 3,
            DecoderWidth = 64,
            DecoderHeads = 2,
            Target = ReconstructionTarget.NormalizedPixels,
            LossOn = LossPlaces.All,
            Epochs = 7,
            BatchSize = 9,
            Accumulate = 2,
            LearningRate = 1e-5,
            WeightDecay = 0.1,
            WarmupEpochs = 0.5,
            Clip = 2,
            SmallestCrop = 0.4,
            Flip = false,
            Seed = ulong.MaxValue,
            Device = "cpu",
            Precision = Precision.Bf16,
            NoPack = true,
            DataOnDevice = DataOnDevice.No,
            Limit = 100,
            EvaluateLimit = 10,
            LogSteps = 3,
            CheckpointSteps = 11,
        };
        // A property that is forgotten above would keep its default and prove nothing.
        foreach (var property in typeof(PretrainOptions).GetProperties().Where(p => p.CanWrite))
            property.GetValue(options).ShouldNotBe(property.GetValue(new PretrainOptions()), property.Name);

        RunDirectory.Create(folder.Path, options);

        RunDirectory.Open(folder.Path).Options.ShouldBe(options);
    }

    [Theory]
    [InlineData("""{ "epochs": "many" }""", "$.epochs")]
    [InlineData("""{ "epoch": 3 }""", "epoch")]
    [InlineData("""{ "placement": 7 }""", "$.placement")]
    [InlineData("""{ "model": null }""", "model")]
    [InlineData("{ \"epochs\": 3", "LineNumber: 0")]
    [InlineData("null", "it is null")]
    public void Refuses_A_File_That_Holds_No_Options_And_Says_Where(string json, string where)
    {
        using var folder = new ScratchFolder();
        var file = folder.File("options.json", System.Text.Encoding.UTF8.GetBytes(json));
        var message = Should.Throw<RunDirectoryException>(() => RunDirectory.ReadOptions(file)).Message;
        message.ShouldStartWith($"{file} cannot be read as options: ");
        message.ShouldContain(where);
    }

    [Fact]
    public void Keeps_The_Defaults_Of_What_A_File_Leaves_Out()
    {
        using var folder = new ScratchFolder();
        var file = folder.File("options.json", "{ \"epochs\": 3, \"placement\": \"decoder\" }"u8.ToArray());
        RunDirectory.ReadOptions(file).ShouldBe(new PretrainOptions { Epochs = 3, Placement = MaskPlacement.Decoder });
    }
}
