using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

/// <summary>Command lines that cannot be carried out: exit code 2, and one line that says why.</summary>
public sealed class WrongUsageTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("", "Say what to do: pretrain, finetune, classify, reconstruct, evaluate, embed, search, curate, look, map, report, bench, info, models, import, export, data, env. See tessera --help.")]
    [InlineData("data", "Say what to do: inspect, pack, shard, fetch. See tessera data --help.")]
    [InlineData("bench --only speed", "--only has 'speed': choose from machine,step,loader,embed,finetune, with commas between.")]
    [InlineData("bench speed", "There is no 'speed': choose scale. See tessera bench --help.")]
    [InlineData("bench --bogus 3", "Unrecognized command or argument '--bogus'. Unrecognized command or argument '3'. See tessera bench --help.")]
    [InlineData("bench --rounds many", "--rounds is 'many': write a whole number. See tessera bench --help.")]
    [InlineData("bench scale --ranks 1,two", "--ranks has 'two': write whole numbers with commas between, such as 1,2,8.")]
    [InlineData("bench scale --ranks 0,2 --bucket 7", "The number of ranks is 0: it must be at least 1, and at most 1048576; a bucket has 7 bytes: it must have at least 1024.")]
    [InlineData("bench scale --latency 3", "--latency is '3': write a time such as 0.1ms or 50us.")]
    [InlineData("bench scale --bandwidth 10Gbyte", "--bandwidth is '10Gbyte': write a rate such as 10Gbit or 1.25GB.")]
    [InlineData("bench scale --bandwidth 0Gbit", "The bandwidth must be above 0.")]
    [InlineData("paint", "There is no 'paint': choose pretrain, finetune, classify, reconstruct, evaluate, embed, search, curate, look, map, report, bench, info, models, import, export, data, env. See tessera --help.")]
    [InlineData("pretrain --bogus", "Unrecognized command or argument '--bogus'. See tessera pretrain --help.")]
    [InlineData("info --bogus", "There is no option '--bogus' here (a file of that name is ./--bogus). See tessera info --help.")]
    [InlineData("pretrain --epochs many", "--epochs is 'many': write a whole number. See tessera pretrain --help.")]
    [InlineData("pretrain --seed -1", "--seed is '-1': write a whole number, 0 or more. See tessera pretrain --help.")]
    [InlineData("pretrain --mask-ratio 0,75", "--mask-ratio is '0,75': write a number such as 0.5. See tessera pretrain --help.")]
    [InlineData("pretrain --placement middle", "--placement is 'middle': choose encoder, decoder. See tessera pretrain --help.")]
    [InlineData("pretrain --objective sounds", "--objective is 'sounds': choose pixels, views, pixels+views. See tessera pretrain --help.")]
    [InlineData("pretrain --objective views --crops 1", "The number of crops is 1: it must be at least 2, for there to be something to compare, and at most 64.")]
    [InlineData("pretrain --objective pixels+views --temperature 0 --views-weight 0", "The temperature is 0: it must be above 0; the weight of views is 0: it must be above 0; to leave them out, teach by pixels alone.")]
    [InlineData("pretrain --objective views --batch-size 1", "The batch is 1 picture: its views are compared with those of others, so it must be at least 2.")]
    [InlineData("pretrain --colour 2.5", "The colour strength is 2.5: it must be at least 0 and below 2.5.")]
    [InlineData("pretrain --masking cloud", "There is no masking 'cloud': choose random, block, grid.")]
    [InlineData("pretrain --mask-ratio 0", "The mask ratio is 0: it must be above 0 and below 1.")]
    [InlineData("pretrain --mask-ratio 1", "The mask ratio is 1: it must be above 0 and below 1.")]
    [InlineData("pretrain --image-size 64x90", "The image width 90 is not a multiple of the patch size 8: the nearest that work are 88 and 96.")]
    [InlineData("pretrain --epochs 0 --mask-ratio NaN", "The mask ratio is NaN: it must be above 0 and below 1; the number of epochs is 0: it must be at least 1.")]
    [InlineData("pretrain --no-pack --data-on-device yes --epochs 0", "Pictures that are not packed cannot be put on the device: pack them, or leave it to auto; the number of epochs is 0: it must be at least 1.")]
    [InlineData("models pack m -o model.bin", "--out is 'model.bin': name a .safetensors file.")]
    [InlineData("models list", "There is no 'list': choose pack. See tessera models --help.")]
    [InlineData("pretrain --device gpu", "There is no device 'gpu': choose auto, cpu, cuda or cuda:N.")]
    [InlineData("data fetch everything", "Argument 'everything' not recognized. Must be one of: 'tiny-imagenet' See tessera data fetch --help.")]
    [InlineData("data fetch tiny-imagenet --address ftp://x/y", "--address is 'ftp://x/y': write an address that begins with http:// or https://.")]
    [InlineData("data pack shapes:9 -o x.jpg", "--out is 'x.jpg': name a .tessera file.")]
    [InlineData("data shard shapes:9 -o x --size big", "--size is 'big': write a size such as 500MB or 1GB.")]
    [InlineData("data shard shapes:9 -o x --size 0", "--size is '0': write a size such as 500MB or 1GB.")]
    [InlineData("data pack shapes:9 -o x.tessera --channels 2", "--channels is 2: pictures have 1 or 3.")]
    [InlineData("data pack shapes:9 -o x.tessera --image-size 2k", "The image size is '2k': write S or HxW in pixels, each 1 to 4096, such as 64 or 64x96.")]
    public void Is_Told_In_A_Line(string arguments, string line) =>
        CommandLine.Run(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ShouldFail(2, line);

    [Fact]
    public void Says_Which_Argument_Is_Empty() => CommandLine.Run("pretrain", "--out", "").ShouldFail(2, "The argument after --out is empty.");

    [Fact]
    public void Refuses_A_Batch_Larger_Than_The_Data_Set()
    {
        var outcome = CommandLine.Run(
            ["pretrain", "--data", TrainedRun.Data, "--out", folder["run"], "--cache", run.Cache, .. TrainedRun.Small, "--accumulate", "6"]);

        outcome.ShouldFail(2, "6 batches of 20 are more than the 100 training pictures: use batches of 16 or less (--batch-size).");
        Directory.Exists(folder["run"]).ShouldBeFalse();
    }

    [Fact]
    public void Refuses_A_Device_That_Is_Not_There()
    {
        Assert.SkipWhen(TorchSharp.torch.cuda_is_available(), "There is a GPU.");

        CommandLine.Run("pretrain", "--device", "cuda", "--out", folder["run"]).ShouldFail(
            2, "The device 'cuda' needs an NVIDIA GPU and libtorch for CUDA, and none was found: set TESSERA_LIBTORCH to the torch/lib folder of a PyTorch installation with CUDA, or choose the device cpu.");
    }

    [Fact]
    public void Refuses_To_Resume_With_Other_Options() => CommandLine.Run("pretrain", "--resume", run.Folder, "--epochs", "3").ShouldFail(
        2, $"--resume {run.Folder} goes on with the options the run was begun with, and --epochs differs from them (see options.json there): leave it out, or begin a new run with --out.");

    [Fact]
    public void Refuses_To_Resume_Elsewhere() => CommandLine.Run("pretrain", "--resume", run.Folder, "--out", folder["run"]).ShouldFail(
        2, "--resume goes on in the run's own directory: leave out --out.");

    [Fact]
    public void Refuses_Masks_That_Do_Not_Fit_The_Model() =>
        CommandLine.Run("evaluate", "reconstruction", "--model", run.Folder, "--data", TrainedRun.Data, "--mask-unit", "12").ShouldFail(
            2, "The mask unit 12 must be a multiple of the patch size 8.");

    [Fact]
    public void Never_Draws_Over_One_Of_The_Pictures()
    {
        var picture = folder.Write("cat.png", "a picture");

        CommandLine.Run("reconstruct", "--model", run.Folder, picture, "-o", picture).ShouldFail(
            2, $"--out names {picture}, which is one of the pictures: choose another.");
        File.ReadAllText(picture).ShouldBe("a picture");
    }
}
