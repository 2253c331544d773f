using System.Text.Json;
using SkiaSharp;
using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

public sealed class FinetuneTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Makes_A_Classifier_And_Says_What_It_Chose_And_What_It_Is_Worth()
    {
        var outcome = CommandLine.Run([.. Finetune("classes"), "--json", "--epochs", "2"]).ShouldBeDone();

        outcome.Error.ShouldContain("shapes: 100 labelled pictures of 12 classes to train on, 0 to choose by, 10 to measure on");
        outcome.Error.ShouldContain("recipe: 2 epochs of 6 steps of 16 pictures");
        outcome.Error.ShouldContain("begun with a linear layer on the frozen encoder, right on ");
        outcome.Error.ShouldContain("use it:   tessera classify --model ");
        using var summary = JsonDocument.Parse(outcome.Output);
        summary.RootElement.GetProperty("steps").GetInt32().ShouldBe(12);
        summary.RootElement.GetProperty("measured").GetProperty("top1").GetProperty("count").GetInt32().ShouldBe(10);
        var page = File.ReadAllText(folder["classes/report.html"]);
        page.ShouldContain("A fine-tuning run of Tessera");
        page.ShouldContain("tessera finetune --model");
        page.ShouldContain("Pictures that were named wrongly");

        var answer = CommandLine.Run("classify", "--model", folder["classes"], "--data", TrainedRun.Data, "--cache", run.Cache, "--json").ShouldBeDone();
        answer.Output.ShouldContain("\"top1\"");
        CommandLine.Run("info", folder["classes"]).ShouldBeDone().Output.ShouldContain("12");
    }

    /// <summary>What is said of a run that is stopped is a command that goes on with it; and a run of another kind is told apart.</summary>
    [Fact]
    public void Is_Told_From_Pretraining()
    {
        CommandLine.Run([.. Finetune("classes"), "--epochs", "1"]).ShouldBeDone();

        CommandLine.Run("pretrain", "--resume", folder["classes"])
            .ShouldFail(1, $"{folder["classes/options.json"]} holds the options of a run of finetune, not of pretrain.");
        CommandLine.Run("finetune", "--resume", run.Folder)
            .ShouldFail(1, $"{Path.Join(run.Folder, "options.json")} holds the options of a run of pretrain, not of finetune.");
        CommandLine.Run("finetune", "--resume", folder["classes"], "--mixup", "0.5").Code.ShouldBe(2);
        CommandLine.Run([.. Finetune("classes")]).LastError.ShouldContain("holds a run already");
    }

    [Fact]
    public void Says_In_One_Sentence_What_It_Cannot_Be_Made_Of()
    {
        CommandLine.Run("finetune", "--data", "shapes:20").ShouldFail(2, "Name the model to begin with: --model M (tessera models lists those that ship).");
        CommandLine.Run("finetune", "--model", run.Folder).ShouldFail(2, "Name the pictures to learn from, in one folder per class: --data SOURCE.");
        CommandLine.Run("finetune", "--model", "nothing", "--data", "shapes:20").LastError.ShouldStartWith("tessera: There is no model 'nothing': ");
        Draw("flat/a.png", "flat/b.png", "flat/c.png");
        Of("flat").ShouldFail(2, $"The pictures of {folder["flat"]} have no labels: give pictures in one folder per class.");
        Draw("one/train/cats/a.png", "one/train/cats/b.png", "one/val/cats/c.png");
        Of("one").ShouldFail(2, $"The pictures of {folder["one"]} are of one class, 'cats': there is nothing to tell it from; give a folder for each class.");
        Draw("lone/cats/a.png", "lone/cats/b.png", "lone/cats/c.png", "lone/dogs/a.png");
        Of("lone").ShouldFail(2, "The class 'dogs' has fewer than two pictures to learn from: add some, or take its folder out.");
        CommandLine.Run([.. Finetune("x").Select(word => word == "16" ? "200" : word)]).ShouldFail(2, "A batch of 200 is more than the 100 training pictures: use batches of 100 or less (--batch-size).");
        Directory.Exists(folder["x"]).ShouldBeFalse();

        Outcome Of(string source) => CommandLine.Run("finetune", "--model", run.Folder, "--data", folder[source], "--cache", run.Cache, "--out", folder["out"]);
    }

    /// <summary>Five pictures of each of two classes, and some that nobody has sorted: nothing has to be set.</summary>
    [Fact]
    public void Works_On_Few_Pictures_Without_An_Option()
    {
        foreach (var (name, colour) in new[] { ("red", SKColors.Red), ("blue", SKColors.Blue) })
        {
            for (var i = 0; i < 5; i++) Draw($"few/{name}/{i}.png", colour, i);
        }
        Draw("few/unsorted.png", SKColors.Red, 9);

        var outcome = CommandLine.Run("finetune", "--model", run.Folder, "--data", folder["few"], "--cache", run.Cache, "--out", folder["out"], "--device", "cpu").ShouldBeDone();

        outcome.Error.ShouldContain("10 labelled pictures of 2 classes to train on, 0 to choose by, 0 to measure on");
        outcome.Error.ShouldContain("1 picture has no label and is left out: unsorted.png");
        outcome.Error.ShouldContain("no picture is kept out of training, for they are few");
        var answer = CommandLine.Run("classify", "--model", folder["out"], folder["few/unsorted.png"], "--json").ShouldBeDone();
        answer.Output.ShouldContain("\"familiarity\":null"); // nothing was held out to tell it by
        answer.Output[..answer.Output.IndexOf("blue", StringComparison.Ordinal)].ShouldContain("red"); // the likelier class comes first
    }

    [Fact]
    public void Killed_At_Ten_Random_Instants_It_Ends_In_The_Same_Classifier()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such signals.");
        string[] length = ["--epochs", "60", "--log-steps", "1", "--evaluate-every", "7", "--checkpoint-steps", "5"];
        TesseraProcess.Run([.. Finetune("whole"), .. length]).ShouldBeDone();
        var random = new Random(12);

        IEnumerable<string> begin = [.. Finetune("broken"), .. length];
        for (var kill = 0; kill < 10; kill++)
        {
            using var process = new TesseraProcess(kill == 0 ? begin : ["finetune", "--resume", folder["broken"], "--cache", run.Cache]);
            var lines = Lines() + random.Next(0, 40);
            while (!process.HasExited && Lines() < lines) Thread.Yield();
            process.Kill();
            process.Finish();
        }
        TesseraProcess.Run(File.Exists(folder["broken/options.json"]) ? ["finetune", "--resume", folder["broken"], "--cache", run.Cache] : begin).ShouldBeDone();

        File.ReadAllBytes(folder["broken/model.safetensors"]).ShouldBe(File.ReadAllBytes(folder["whole/model.safetensors"]));

        int Lines()
        {
            if (!File.Exists(folder["broken/metrics.jsonl"])) return 0;
            using var stream = new FileStream(folder["broken/metrics.jsonl"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream);
            var count = 0;
            while (reader.ReadLine() is not null) count++;
            return count;
        }
    }

    private string[] Finetune(string name) =>
    [
        "finetune", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", run.Cache, "--out", folder[name], "--hold-out", "no", "--batch-size", "16",
        "--device", "cpu", "--precision", "fp32",
    ];

    private void Draw(params string[] files)
    {
        for (var i = 0; i < files.Length; i++) Draw(files[i], SKColors.Gray, i);
    }

    private void Draw(string file, SKColor colour, int number)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder[file])!);
        using var bitmap = new SKBitmap(16, 16, SKColorType.Rgba8888, SKAlphaType.Opaque);
        bitmap.Erase(colour);
        bitmap.SetPixel(number, number, SKColors.White);
        using var encoded = bitmap.Encode(SKEncodedImageFormat.Png, 90);
        File.WriteAllBytes(folder[file], encoded.ToArray());
    }
}
