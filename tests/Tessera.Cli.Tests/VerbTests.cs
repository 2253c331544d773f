using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using SkiaSharp;
using Tessera.Cli.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Cli.Tests;

/// <summary>What each verb says and leaves behind when all is well.</summary>
public sealed class VerbTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Pretrain_Prints_One_Object_And_Leaves_A_Run()
    {
        var summary = Json(run.Outcome);

        summary.GetProperty("trainingPictures").GetInt32().ShouldBe(100);
        summary.GetProperty("steps").GetInt64().ShouldBe(10); // 2 epochs of 100 / 20
        File.ReadAllText(Path.Join(run.Folder, "summary.json")).ShouldContain("\"steps\": 10");
        string[] files = ["options.json", "metrics.jsonl", "model.safetensors", "curves.png", "reconstructions/epoch-0001.png", "reconstructions/epoch-0002.png"];
        files.ShouldAllBe(file => File.Exists(Path.Join(run.Folder, file)));
        run.Outcome.Error.ShouldContain("shapes: 100 training and 10 held-out pictures of shapes:100 (packed: ");
        run.Outcome.Error.ShouldContain("epoch 2/2: PSNR ");
        run.Outcome.Error.ShouldContain("dB against inverse-distance weighting");
    }

    [Fact]
    public void Bench_Measures_The_Parts_That_Are_Named_And_Sets_Them_Beside_A_Saved_Report()
    {
        string[] arguments = ["bench", "--data", TrainedRun.Data, "--cache", run.Cache, .. TrainedRun.Small, "--only", "step", "--rounds", "2", "--steps", "1"];
        var before = folder["before.json"];
        File.WriteAllText(before, CommandLine.Run([.. arguments, "--json"]).ShouldBeDone().Output);

        var report = Json(CommandLine.Run([.. arguments, "--json", "--compare", before]).ShouldBeDone());

        var rate = report.GetProperty("step").GetProperty("imagesPerSecond");
        rate.GetProperty("rounds").GetInt32().ShouldBe(2);
        rate.GetProperty("median").GetDouble().ShouldBeGreaterThan(0);
        report.GetProperty("compared").GetArrayLength().ShouldBeGreaterThan(0);
        // The same options and pictures are the same work, however fast.
        using var saved = JsonDocument.Parse(File.ReadAllText(before));
        report.GetProperty("step").GetProperty("firstLoss").GetDouble()
            .ShouldBe(saved.RootElement.GetProperty("step").GetProperty("firstLoss").GetDouble());
    }

    [Fact]
    public void Bench_Scale_Simulates_Ranks_On_The_Wire_That_It_Is_Told()
    {
        string[] arguments = ["bench", "scale", "--data", TrainedRun.Data, "--cache", run.Cache, .. TrainedRun.Small, "--rounds", "1", "--steps", "1",
            "--ranks", "1,40", "--latency", "50us", "--bandwidth", "1gbit"];

        var told = CommandLine.Run(arguments).ShouldBeDone();
        var report = Json(CommandLine.Run([.. arguments, "--json"]).ShouldBeDone());

        told.OutputLines.ShouldContain("wire: 1 Gbit/s, 0.05 ms; buckets of 4.2 MB, after each of 3 stages of the backward pass");
        told.OutputLines.Count(line => line == "of 40 ranks 20 have no picture: the effective batch has 20").ShouldBe(2); // strong scaling, in both formats
        told.OutputLines[^1].ShouldStartWith("sharding the optimiser (ZeRO-1): ");
        report.GetProperty("wire").GetProperty("bandwidth").GetDouble().ShouldBe(125e6);
        report.GetProperty("wire").GetProperty("latency").GetDouble().ShouldBe(5e-5, 1e-12);
        var rows = report.GetProperty("rows").EnumerateArray().ToList();
        rows.Count.ShouldBe(8);
        rows[1].GetProperty("ranks").GetInt32().ShouldBe(40);
        rows[1].GetProperty("picturesPerRank").GetDouble().ShouldBe(0.5);
    }

    [Fact]
    public void Pretrain_Wipes_Its_Bar_And_Keeps_Its_Lines()
    {
        var outcome = CommandLine.RunWatched(
            ["pretrain", "--data", TrainedRun.Data, "--out", folder["run"], "--cache", run.Cache, .. TrainedRun.Small, "--epochs", "1"]).ShouldBeDone();

        outcome.Error.ShouldContain("epoch 1/1, "); // beside the bar
        outcome.Error.ShouldContain("epoch 1/1: PSNR "); // above it
        outcome.Error.ShouldEndWith("\u001b[2K\u001b[?25h"); // the bar's last line erased, the cursor back
        outcome.Output.ShouldNotContain("\u001b");
        outcome.OutputLines.Select(line => line.Split(' ')[0]).ShouldBe(["PSNR", "pictures:", "curves:", "report:", "model:"]);
    }

    [Theory]
    [InlineData("views", false)]
    [InlineData("pixels+views", true)]
    public void Pretrain_Compares_Views_Where_It_Is_Told_To(string objective, bool restores)
    {
        string[] arguments = ["--data", TrainedRun.Data, "--out", folder["run"], "--cache", run.Cache, .. TrainedRun.Small, "--epochs", "1"];

        var outcome = CommandLine.Run(["pretrain", .. arguments, "--objective", objective, "--local-crops", "1", "--json"]).ShouldBeDone();
        var info = Json(CommandLine.Run("info", folder["run"], "--json"));
        var resumed = CommandLine.Run("pretrain", "--resume", folder["run"], "--cache", run.Cache, "--objective", objective.ToUpperInvariant()).ShouldBeDone();
        var other = CommandLine.Run("pretrain", "--resume", folder["run"], "--cache", run.Cache, "--objective", "pixels");

        File.ReadAllText(folder["run/options.json"]).ShouldContain($"\"teaching\": \"{objective}\"");
        File.ReadAllText(folder["run/metrics.jsonl"]).ShouldContain("\"views/deviation\"");
        var summary = Json(outcome);
        summary.GetProperty("heldOut").ValueKind.ShouldBe(restores ? JsonValueKind.Object : JsonValueKind.Null);
        info.GetProperty("description").GetProperty("reconstruction").ValueKind.ShouldBe(restores ? JsonValueKind.Object : JsonValueKind.Null);
        foreach (var count in new[] { "parameters", "encoderParameters" }) info.GetProperty(count).GetInt64().ShouldBe(summary.GetProperty(count).GetInt64());
        Json(CommandLine.Run("info", folder["run/checkpoints/last.safetensors"], "--json")).GetProperty("encoderParameters").GetInt64().ShouldBe(summary.GetProperty("encoderParameters").GetInt64());
        resumed.Error.ShouldContain("the run is finished: its last epoch, 1, is made; a larger --epochs goes on from there\n");
        resumed.OutputLines.Select(line => line.Split(' ')[0]).ShouldBe(restores ? ["PSNR", "pictures:", "curves:", "report:", "model:"] : ["curves:", "report:", "model:"]);
        other.LastError.ShouldContain("--objective differs from them");
    }

    [Fact]
    public void Pretrain_Names_Broken_Pictures_And_Ends_Well()
    {
        var pictures = folder.Folder("pictures");
        Pictures.Mixed(pictures);
        folder.Write("pictures/words.jpg", "words");
        var whole = Pictures.Encode(100, 80, SKColorType.Rgba8888, SKEncodedImageFormat.Jpeg);
        File.WriteAllBytes(folder["pictures/cut.jpg"], whole[..(whole.Length / 2)]);

        var outcome = CommandLine.Run(
            ["pretrain", "--data", pictures, "--out", folder["run"], "--cache", folder["cache"], .. TrainedRun.Small, "--epochs", "1"]).ShouldBeDone();

        outcome.Error.ShouldContain("flat folder: 35 training and 1 held-out pictures of ");
        outcome.Error.ShouldContain("""
            2 broken pictures left out:
              cut.jpg is cut short: part of the picture is missing
              words.jpg is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF)
            """ + "\n");
        var inspected = CommandLine.Run("data", "inspect", pictures).Output;
        inspected.ShouldContain("36 without a label\nheld out: about a twentieth of these, each by its name, when a model is trained (pretrain --seed draws others)\n");
        inspected.ShouldContain("formats:  11 JPEG, 11 PNG, 11 WEBP, 2 BMP, 1 GIF\nbroken:   2\n");
        CommandLine.Run("data", "inspect", "shapes:20").Output.ShouldContain("\nheld out: the 2 for testing\n");
    }

    [Fact]
    public void Pretrain_Without_Packing_Gives_The_Model_That_Packing_Gives_And_Packs_Nothing()
    {
        string[] arguments = ["pretrain", "--data", TrainedRun.Data, "--out", folder["run"], "--cache", folder["cache"], "--no-pack"];

        var outcome = CommandLine.Run([.. arguments, .. TrainedRun.Small, "--epochs", "2"]).ShouldBeDone();
        var resumed = CommandLine.Run("pretrain", "--resume", folder["run"], "--cache", folder["cache"], "--no-pack").ShouldBeDone();

        File.ReadAllBytes(folder["run/model.safetensors"]).ShouldBe(File.ReadAllBytes(Path.Join(run.Folder, "model.safetensors")));
        outcome.Error.ShouldContain("shapes: 100 training and 10 held-out pictures of shapes:100 (decoded as they are needed)\n");
        outcome.Error.ShouldContain("measuring: 100 of 100\n");
        File.ReadAllText(folder["run/options.json"]).ShouldContain("\"noPack\": true");
        resumed.Error.ShouldContain("(decoded as they are needed)\n"); // the run's own option
        resumed.Error.ShouldContain("the run is finished: ");
        Directory.Exists(folder["cache"]).ShouldBeFalse();
        CommandLine.Run("pretrain", "--resume", run.Folder, "--no-pack").LastError.ShouldContain("--no-pack differs from them");
    }

    [Fact]
    public void Pretrain_Without_Packing_Names_Broken_Pictures_Once_And_Ends_Well()
    {
        var pictures = folder.Folder("pictures");
        foreach (var place in new[] { "train/all", "val/all" }) Pictures.Mixed(folder.Folder($"pictures/{place}"));
        folder.Write("pictures/train/all/words.jpg", "words");
        folder.Write("pictures/val/all/words.jpg", "words");

        var outcome = CommandLine.Run(
            ["pretrain", "--data", pictures, "--out", folder["run"], "--no-pack", .. TrainedRun.Small, "--epochs", "2", "--json"]).ShouldBeDone();

        const string Reason = "is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF)";
        outcome.Error.ShouldContain($"1 broken picture left out:\n  train/all/words.jpg {Reason}\n"); // found as the pictures are measured
        outcome.Error.Split($"val/all/words.jpg {Reason}: another picture stands in for it\n").Length.ShouldBe(2); // found on the way
        Json(outcome).GetProperty("broken").EnumerateArray().Select(b => b.GetProperty("name").GetString())
            .ShouldBe(["train/all/words.jpg", "val/all/words.jpg"]);
    }

    [Fact]
    public void Pretrain_Without_Packing_Uses_A_Packed_File_As_It_Is()
    {
        CommandLine.Run("data", "pack", TrainedRun.Data, "--image-size", "16", "-o", folder["s.tessera"]).ShouldBeDone();

        var outcome = CommandLine.Run(
            ["pretrain", "--data", folder["s.tessera"], "--out", folder["run"], "--no-pack", .. TrainedRun.Small, "--epochs", "1"]).ShouldBeDone();

        outcome.Error.ShouldContain($"(packed before: {folder["s.tessera"]})\n");
    }

    [Fact]
    public void Resuming_A_Finished_Run_Says_What_Came_Out()
    {
        var copy = run.CopyTo(folder);
        var before = File.ReadAllBytes(Path.Join(copy, "model.safetensors"));

        var outcome = CommandLine.Run("pretrain", "--resume", copy, "--cache", run.Cache, "--epochs", "2").ShouldBeDone();

        outcome.Error.ShouldContain("the run is finished: its last epoch, 2, is made; a larger --epochs goes on from there\n");
        File.ReadAllBytes(Path.Join(copy, "model.safetensors")).ShouldBe(before);
    }

    [Fact]
    public void Resuming_Finds_Pictures_That_Were_Moved_And_Keeps_To_The_Run_Otherwise()
    {
        var (here, there) = (folder.Folder("here"), folder["there"]);
        Pictures.Mixed(here);
        string[] small = [.. TrainedRun.Small, "--workers", "2"];
        CommandLine.Run(["pretrain", "--data", here, "--out", folder["run"], "--cache", folder["cache"], .. small, "--epochs", "3"]).ShouldBeDone();
        foreach (var newest in new[] { "step-000000003.safetensors", "last.safetensors" }) File.Delete(folder[$"run/checkpoints/{newest}"]); // as if stopped
        Directory.Move(here, there);

        CommandLine.Run("pretrain", "--resume", folder["run"], "--cache", folder["cache"]).ShouldFail(
            1, $"There is no folder or file {here}: name a folder of pictures, a .tessera file, tar shards, Parquet files, or shapes.");
        var resumed = CommandLine.Run(
            "pretrain", "--resume", folder["run"], "--cache", folder["cache"], "--data", there, "--log-steps", "1", "--checkpoint-steps", "7").ShouldBeDone();

        resumed.Error.ShouldNotContain("bit for bit");
        File.ReadAllText(folder["run/options.json"]).ShouldContain(there);
        resumed.Error.ShouldContain("going on from step 2\n");
        CommandLine.Run("pretrain", "--resume", folder["run"], "--cache", folder["cache"], "--workers", "1").ShouldBeDone()
            .Error.ShouldContain("device, number format or workers are others than before (cpu, fp32, 1): from here on the run is no longer bit for bit");
        CommandLine.Run("pretrain", "--resume", folder["run"], "--cache", folder["cache"], "--data", TrainedRun.Data).LastError
            .ShouldContain("The pictures have changed since");
    }

    [Fact]
    public void Pretrain_Finishes_A_Copy_Of_A_Run_And_Begins_Another_From_It()
    {
        string[] constant = ["pretrain", "--data", TrainedRun.Data, "--cache", run.Cache, .. TrainedRun.Small, "--schedule", "constant"];
        CommandLine.Run([.. constant, "--out", folder["run"], "--epochs", "2"]).ShouldBeDone();

        var finished = CommandLine.Run("pretrain", "--resume", folder["run"], "--finish", "1", "--out", folder["finished"], "--cache", run.Cache, "--json");
        Json(finished.ShouldBeDone()).GetProperty("steps").GetInt64().ShouldBe(15); // 2 epochs of 5 steps, and one more
        finished.Error.ShouldContain("going on from step 10\n");

        var begun = CommandLine.Run([.. constant, "--out", folder["begun"], "--epochs", "1", "--placement", "decoder", "--init", folder["finished"]]).ShouldBeDone();
        begun.Error.ShouldContain($"begun from {folder["finished/model.safetensors"]}: ");
        begun.Error.ShouldContain("left as they are drawn: ");
        begun.Error.ShouldContain("the placement of mask tokens is encoder, not decoder");

        CommandLine.Run("pretrain", "--resume", run.Folder, "--finish", "1", "--out", folder["no"], "--cache", run.Cache).ShouldFail(
            2, $"The rate of the run in {run.Folder} falls by itself: only a run at a constant rate is finished in a copy (--schedule).");
        CommandLine.Run("pretrain", "--finish", "1").ShouldFail(2, "--finish goes with --resume RUN and --out NEW.");
        CommandLine.Run("pretrain", "--resume", run.Folder, "--finish", "1").ShouldFail(2, "--finish needs --out: the copy's directory.");
    }

    [Fact]
    public void Evaluate_Says_Where_Its_Figures_May_Not_Mean_What_They_Seem_To()
    {
        string[] arguments = ["evaluate", "reconstruction", "--model", run.Folder, "--cache", run.Cache, "--data"];
        CommandLine.Run([.. arguments, TrainedRun.Data]).ShouldBeDone().Error.ShouldNotContain("trained");
        CommandLine.Run([.. arguments, "shapes:60", "--no-pack"]).ShouldBeDone().Error
            .ShouldContain("these pictures are others than those that the model was trained on (shapes: shapes:100), or have changed since");
        var development = CommandLine.Run([.. arguments, TrainedRun.Data, "--split", "development"]).ShouldBeDone();
        development.Error.ShouldContain("the model was trained on the development split too");
        development.Output.ShouldContain(" development pictures of shapes:100, 3 of 4 patches hidden\n");
        // Another seed draws other masks, of the same pictures.
        var (one, other) = (CommandLine.Run([.. arguments, TrainedRun.Data, "--json"]), CommandLine.Run([.. arguments, TrainedRun.Data, "--seed", "9", "--json"]));
        var (first, second) = (Json(one), Json(other));
        first.GetProperty("pictures").GetInt32().ShouldBe(second.GetProperty("pictures").GetInt32());
        first.GetProperty("model").GetProperty("psnr").GetDouble().ShouldNotBe(second.GetProperty("model").GetProperty("psnr").GetDouble());
    }

    [Fact]
    public void Pretrain_Measures_On_The_Development_Split_Where_It_Is_Held_Out()
    {
        var outcome = CommandLine.Run(["pretrain", "--data", "shapes:200", "--out", folder["run"], "--cache", folder["cache"], .. TrainedRun.Small,
            "--epochs", "1", "--hold-out-development", "--json"]).ShouldBeDone();

        var summary = Json(outcome);
        outcome.Error.ShouldContain($" on hidden patches of {summary.GetProperty("heldOutPictures").GetInt32()} development pictures (");
        (summary.GetProperty("trainingPictures").GetInt32() + summary.GetProperty("heldOutPictures").GetInt32()).ShouldBe(200); // its own test split is untouched
        File.ReadAllText(folder["run/metrics.jsonl"]).ShouldContain("\"development/PSNR\"");
        CommandLine.Run("evaluate", "reconstruction", "--model", folder["run"], "--data", "shapes:200", "--cache", folder["cache"], "--split", "development", "--json")
            .ShouldBeDone().Error.ShouldNotContain("too good");
    }

    [Fact]
    public void Reconstruct_Draws_What_It_Can()
    {
        File.WriteAllBytes(folder["a.png"], Pictures.Encode(30, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));
        folder.Write("b.png", "words");

        var outcome = CommandLine.Run(
            "reconstruct", "--model", run.Folder, folder["a.png"], folder["b.png"], "-o", folder["new/drawn.png"], "--json");

        outcome.Code.ShouldBe(1);
        Json(outcome).GetProperty("restored").GetInt32().ShouldBe(1);
        outcome.Error.ShouldStartWith($"1 broken picture left out:\n  {folder["b.png"]} is not a picture");
        using var drawn = SKBitmap.Decode(folder["new/drawn.png"]);
        drawn.Width.ShouldBeGreaterThan(4 * 128); // four columns
    }

    [Fact]
    public void Evaluate_Repeats_What_The_Run_Measured()
    {
        var outcome = CommandLine.Run("evaluate", "reconstruction", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", run.Cache, "--json");

        var measured = Json(run.Outcome).GetProperty("heldOut").GetProperty("model").GetProperty("psnr").GetDouble();
        Json(outcome.ShouldBeDone()).GetProperty("model").GetProperty("psnr").GetDouble().ShouldBe(measured, 1e-4);
        outcome.Error.ShouldContain("10 held-out pictures of shapes:100, 3 of 4 patches hidden\n");
    }

    [Fact]
    public void Evaluate_Knn_Compares_The_Encoder_With_What_Learned_Nothing()
    {
        string[] arguments = ["evaluate", "knn", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", folder["cache"]];

        var outcome = CommandLine.Run(arguments).ShouldBeDone();

        var lines = outcome.OutputLines;
        lines[0].ShouldMatch("^10 held-out pictures of shapes:100, [0-9]+ classes: the 20 nearest of 100 training pictures vote, temperature 0.07$");
        lines[1].ShouldBe("                                 top-1 (%)   95 % interval top-5 (%)");
        lines[2].ShouldMatch("^  encoder +[0-9.]+ +[0-9.]+ to [0-9.]+ +[0-9.]+$");
        lines[3].ShouldStartWith("  same encoder, random weights ");
        lines[4].ShouldStartWith("  raw pixels ");
        lines[6].ShouldBe("                  1      5     10     20     50    100    200");
        lines[^1].ShouldMatch("^RankMe of the training pictures' vectors: [0-9.]+ of 128$");
        Directory.GetFiles(folder["cache"], "features-*.safetensors").Length.ShouldBe(4); // of two encoders, both sides

        var again = CommandLine.Run([.. arguments, "--json"]);
        var report = Json(again);
        var top1 = report.GetProperty("rows")[0].GetProperty("grid")[3].GetProperty("top1");
        lines[2].ShouldContain(FormattableString.Invariant($" {100.0 * top1.GetProperty("correct").GetInt32() / top1.GetProperty("count").GetInt32():f2} "));
        again.Error.ShouldContain("RankMe");
    }

    [Fact]
    public void Evaluate_Knn_Never_Searches_Among_The_Pictures_It_Asks_For()
    {
        string[] arguments = ["evaluate", "knn", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", folder["cache"], "--split", "development", "--json"];
        var (all, few) = (CommandLine.Run(arguments).ShouldBeDone(), CommandLine.Run([.. arguments, "--limit", "20"]));
        (Json(all).GetProperty("bank").GetInt32() + Json(all).GetProperty("queries").GetInt32()).ShouldBe(100);
        Json(few).GetProperty("bank").GetInt32().ShouldBe(20);
        all.Error.ShouldContain("the model was trained on the development split too");
    }

    [Fact]
    public void Evaluate_Linear_Compares_The_Encoder_With_What_Learned_Nothing()
    {
        string[] arguments = ["evaluate", "linear", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", run.Cache];

        var lines = CommandLine.Run(arguments).ShouldBeDone().OutputLines;
        var report = Json(CommandLine.Run([.. arguments, "--json"]));

        lines[0].ShouldMatch("^10 held-out pictures of shapes:100, [0-9]+ classes: a linear layer, trained on 100 training pictures$");
        lines[1].ShouldBe("                                 top-1 (%)   95 % interval top-5 (%) weight decay");
        lines[2].ShouldMatch("^  encoder +[0-9.]+ +[0-9.]+ to [0-9.]+ +[0-9.]+ +[0-9.]+e-?[0-9]$");
        lines[3].ShouldStartWith("  same encoder, random weights ");
        lines[4].ShouldStartWith("  raw pixels ");
        lines[5].ShouldMatch("^the encoder by its layer's weight decay, trained on [0-9]+ pictures and chosen by top-1 on [0-9]+ development pictures:$");
        var probe = report.GetProperty("rows")[0].GetProperty("probe");
        lines[6].Split(' ', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(probe.GetProperty("grid").GetArrayLength());
        var top1 = probe.GetProperty("test").GetProperty("top1");
        top1.GetProperty("count").GetInt32().ShouldBe(10);
        lines[2].ShouldContain(FormattableString.Invariant($" {10.0 * top1.GetProperty("correct").GetInt32():f2} "));

        var development = CommandLine.Run([.. arguments, "--split", "development", "--json"]).ShouldBeDone();
        Json(development).GetProperty("rows")[0].GetProperty("probe").GetProperty("test").ValueKind.ShouldBe(JsonValueKind.Null);
        development.Error.ShouldContain("the model was trained on the development split too");
    }

    [Fact]
    public void Evaluate_Linear_Draws_What_Is_Confused()
    {
        var file = folder["confusion.png"];
        string[] arguments = ["evaluate", "linear", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", run.Cache, "--confusion"];

        var outcome = CommandLine.Run([.. arguments, file]).ShouldBeDone();

        outcome.OutputLines[^1].ShouldMatch("^most often taken for each other: [a-z]+ and [a-z]+ \\([0-9]+ and [0-9]+ %\\)");
        using var picture = SKBitmap.Decode(file);
        picture.Width.ShouldBeGreaterThan(100);
        CommandLine.Run([.. arguments, "table.csv"]).ShouldFail(2, "--confusion is 'table.csv': name a .png file.");
    }

    [Theory]
    [InlineData("attentive", "one query over the patch tokens")]
    [InlineData("linear --protocol mae", "a linear layer after a batch norm, by LARS")]
    public void Evaluate_Trains_Probes_In_Steps_On_Crops(string probe, string head)
    {
        string[] arguments = ["evaluate", .. probe.Split(' '), "--model", run.Folder, "--data", TrainedRun.Data, "--cache", run.Cache, "--epochs", "2"];

        var lines = CommandLine.Run([.. arguments, "--layers", "2"]).ShouldBeDone().OutputLines;
        var report = Json(CommandLine.Run([.. arguments, "--json"]));

        lines[0].ShouldMatch($"^10 held-out pictures of shapes:100, [0-9]+ classes: {head}, 2 epochs over crops of [0-9]+ training pictures$");
        lines[1].ShouldEndWith("  top-1 (%)   95 % interval top-5 (%)         rate");
        string[] names = ["encoder", "encoder, layer 2", "same encoder, random weights", "same encoder, random weights, layer 2"];
        foreach (var (line, name) in lines.Skip(2).Zip(names)) line.ShouldMatch($"^  {name} +[0-9.]+ ");
        report.GetProperty("rows").GetArrayLength().ShouldBe(2);
        var top1 = report.GetProperty("rows")[0].GetProperty("measured").GetProperty("top1");
        lines[2].ShouldContain(FormattableString.Invariant($" {10.0 * top1.GetProperty("correct").GetInt32():f2} "));
        CommandLine.Run([.. arguments[..^1], "0"]).ShouldFail(2, "The number of epochs is 0: it must be at least 1.");
    }

    [Fact]
    public void Evaluate_Linear_Refuses_Options_That_Do_Not_Go_Together()
    {
        string[] arguments = ["evaluate", "linear", "--model", run.Folder, "--data", TrainedRun.Data];

        CommandLine.Run([.. arguments, "--epochs", "3"]).ShouldFail(2, "--epochs is for --protocol mae: the optimum is searched until it is found.");
        CommandLine.Run([.. arguments, "--protocol", "mae", "--confusion", "x.png"]).ShouldFail(2, "--confusion is for --protocol optimum: leave out one.");
    }

    [Fact]
    public void Evaluate_Measures_Other_Layers_With_Random_Weights_Beside_Each()
    {
        string[] arguments = ["evaluate", "knn", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", folder["cache"]];

        var lines = CommandLine.Run([.. arguments, "--layers", "2,4", "--labels-per-class", "5"]).ShouldBeDone().OutputLines;

        lines[0].ShouldMatch("the 20 nearest of 60 training pictures vote"); // of twelve shapes
        string[] names = ["encoder", "encoder, layer 2", "encoder, layer 4", "encoder, layers 2 and 4", "same encoder, random weights", "same encoder, random weights, layer 2"];
        foreach (var (line, name) in lines.Skip(2).Zip(names)) line.ShouldMatch($"^  {name} +[0-9.]+ ");
        string Figures(string line) => line[line.IndexOfAny([.. "0123456789"], 38)..];
        Figures(lines[4]).ShouldBe(Figures(lines[2])); // four blocks are all it has
        CommandLine.Run([.. arguments, "--layers", "2,x"]).ShouldFail(2, "--layers is '2,x': write numbers of blocks, such as 4,8,12.");
        CommandLine.Run([.. arguments, "--layers", "5"]).ShouldFail(2, "The layer is 5, and the model has the layers 1 to 4.");
        CommandLine.Run([.. arguments, "--limit", "9", "--labels-per-class", "5"]).ShouldFail(2, "--limit and --labels-per-class both say how many: leave out one.");
    }

    [Fact]
    public void Evaluate_All_Keeps_In_The_Run_What_Came_Out()
    {
        var copy = run.CopyTo(folder);

        var outcome = CommandLine.Run("evaluate", "all", "--model", copy, "--data", TrainedRun.Data, "--cache", run.Cache, "--json").ShouldBeDone();

        var json = Json(outcome);
        foreach (var name in new[] { "reconstruction", "knn", "linear", "attentive" })
        {
            var kept = JsonDocument.Parse(File.ReadAllText(Path.Join(copy, "evaluations", $"{name}.json"))).RootElement;
            kept.GetProperty("evaluation").GetString().ShouldBe(name);
            kept.GetProperty("report").GetRawText().Length.ShouldBeGreaterThan(100);
            json.GetProperty(name).ValueKind.ShouldBe(JsonValueKind.Object);
        }
        var flat = folder["flat"];
        Directory.CreateDirectory(flat);
        for (var i = 0; i < 4; i++) File.WriteAllBytes(Path.Join(flat, $"{i}.png"), Pictures.Encode(20 + i, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));
        var unlabelled = CommandLine.Run("evaluate", "all", "--model", Path.Join(copy, "model.safetensors"), "--data", flat, "--cache", folder["cache"]).ShouldBeDone();
        unlabelled.Error.ShouldContain("the pictures have no two classes: knn, linear and attentive have nothing to judge by");
        unlabelled.Error.ShouldNotContain("kept in the run");
    }

    [Fact]
    public void Info_Says_What_A_Model_Is()
    {
        var outcome = CommandLine.Run("info", run.Folder).ShouldBeDone();

        outcome.Output.ShouldContain("16x16, 3 channels, patches of 8: 4 tokens\n");
        outcome.Output.ShouldContain("75 % random, 16 mask tokens before the encoder\n");
        outcome.Output.ShouldContain("shapes:100, 100 of its pictures, fingerprint ");
        outcome.Output.ShouldContain("held out by seed 1\n");
        outcome.Output.ShouldContain(" in F32, of them ");
        var json = Json(CommandLine.Run("info", run.Folder, "--json"));
        json.GetProperty("parameters").GetInt64().ShouldBe(Json(run.Outcome).GetProperty("parameters").GetInt64());
        json.GetProperty("description").GetProperty("version").GetInt32().ShouldBe(2);
        json.GetProperty("description").GetProperty("data").GetProperty("pictures").GetInt32().ShouldBe(100);
    }

    [Fact]
    public void Info_Says_What_An_Encoder_Alone_Is_And_Reconstruct_Refuses_It()
    {
        using (var whole = ModelFile.Load(run.Folder))
            ModelFile.SaveEncoder(folder["encoder.safetensors"], whole.Model.Encoder, whole.Description, SafetensorsType.BF16);

        var outcome = CommandLine.Run("info", folder["encoder.safetensors"]).ShouldBeDone();
        var json = Json(CommandLine.Run("info", folder["encoder.safetensors"], "--json"));
        var refused = CommandLine.Run("reconstruct", "--model", folder["encoder.safetensors"], "cat.png", "-o", folder["restored.png"]);

        outcome.Output.ShouldContain("  none: the encoder alone\n");
        outcome.Output.ShouldContain(" in BF16, of them ");
        outcome.Output.ShouldNotContain("masks");
        json.GetProperty("encoderParameters").GetInt64().ShouldBe(json.GetProperty("parameters").GetInt64());
        json.GetProperty("description").GetProperty("reconstruction").ValueKind.ShouldBe(JsonValueKind.Null);
        json.GetProperty("types").EnumerateArray().Select(t => t.GetString()).ShouldBe(["BF16"]);
        refused.ShouldFail(1, $"{folder["encoder.safetensors"]} holds an encoder without a decoder, so it cannot restore pictures: give the model as it was pretrained.");
    }

    [Fact]
    public void Shards_Are_A_Source_And_Several_Sources_Are_One_Set()
    {
        var written = Json(CommandLine.Run("data", "shard", "shapes:40", "-o", folder["shards"], "--size", "200KB", "--json").ShouldBeDone());
        (written.GetProperty("training").GetInt32(), written.GetProperty("test").GetInt32(), written.GetProperty("classes").GetArrayLength()).ShouldBe((40, 4, 12));
        var pictures = folder.Folder("pictures");
        Pictures.Mixed(pictures);

        var inspected = CommandLine.Run("data", "inspect", folder["shards/*.tar"], pictures).ShouldBeDone();
        var trained = CommandLine.Run(
            ["pretrain", "--data", folder["shards"], "--data", pictures, "--out", folder["run"], "--cache", folder["cache"], .. TrainedRun.Small, "--epochs", "1"]).ShouldBeDone();
        var streamed = CommandLine.Run("pretrain", "--resume", folder["run"], "--cache", folder["cache"], "--data", folder["shards"]);

        inspected.OutputLines[0].ShouldBe($"2 sources: WebDataset shards, test split val, flat folder: {folder["shards/*.tar"]} + {pictures}");
        inspected.OutputLines[1].ShouldBe("pictures: 76 for training, 4 for testing, 36 without a label");
        trained.Error.ShouldContain("76 training and 4 held-out pictures of ");
        File.ReadAllText(folder["run/options.json"]).ShouldContain($"\"source\": \"{folder["shards"]} + {pictures}\"");
        streamed.Code.ShouldBe(1); // other pictures than those that the run was begun with
    }

    [Fact]
    public void Pack_Writes_A_File_That_Is_A_Source()
    {
        var packed = CommandLine.Run("data", "pack", "shapes:40", "--image-size", "16", "-o", folder["s.tessera"], "--json").ShouldBeDone();
        var inspected = CommandLine.Run("data", "inspect", folder["s.tessera"]).ShouldBeDone();

        var result = Json(packed);
        result.GetProperty("file").GetString().ShouldBe(folder["s.tessera"]);
        (result.GetProperty("training").GetInt32(), result.GetProperty("test").GetInt32()).ShouldBe((40, 4));
        inspected.OutputLines[1].ShouldBe("pictures: 40 for training, 4 for testing, 0 without a label");
        inspected.OutputLines[4].ShouldBe("sizes:    16 wide, 16 high");
    }

    [Fact]
    public void Fetch_Gets_A_Data_Set()
    {
        var zip = Zip("tiny-imagenet-200/wnids.txt", "n01\n");
        using var listener = Serve(zip, out var address);
#pragma warning disable CA5351 // MD5 is what the data set's publishers give.
        var md5 = Convert.ToHexString(MD5.HashData(zip));
#pragma warning restore CA5351

        var outcome = CommandLine.Run("data", "fetch", "tiny-imagenet", "--address", address, "--md5", md5, "-o", folder["data"], "--json").ShouldBeDone();

        Json(outcome).GetProperty("folder").GetString().ShouldBe(folder["data/tiny-imagenet-200"]);
        File.ReadAllText(folder["data/tiny-imagenet-200/wnids.txt"]).ShouldBe("n01\n");
    }

    [Fact]
    public void Fetch_Refuses_Another_File()
    {
        using var listener = Serve(Zip("a", "b"), out var address);

        var outcome = CommandLine.Run("data", "fetch", "tiny-imagenet", "--address", address, "-o", folder["data"]);

        outcome.LastError.ShouldStartWith($"tessera: What {address} served is not tiny-imagenet: its MD5 is ");
        outcome.Code.ShouldBe(1);
    }

    /// <summary>The one line on standard output, which is an object.</summary>
    private static JsonElement Json(Outcome outcome) => JsonDocument.Parse(outcome.OutputLines.ShouldHaveSingleItem()).RootElement;

    private static byte[] Zip(string name, string text)
    {
        using var bytes = new MemoryStream();
        using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        using (var writer = new StreamWriter(archive.CreateEntry(name).Open())) writer.Write(text);
        return bytes.ToArray();
    }

    /// <summary>Answers one request with a file.</summary>
    private static HttpListener Serve(byte[] file, out string address)
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        var authority = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/";
        probe.Stop();
        var listener = new HttpListener();
        listener.Prefixes.Add(authority);
        listener.Start();
        listener.GetContextAsync().ContinueWith(request =>
        {
            request.Result.Response.ContentLength64 = file.Length;
            request.Result.Response.OutputStream.Write(file);
            request.Result.Response.Close();
        }, TaskContinuationOptions.OnlyOnRanToCompletion);
        address = authority + "set.zip";
        return listener;
    }
}
