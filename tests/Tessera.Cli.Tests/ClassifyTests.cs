using System.Text.Json;
using SkiaSharp;
using Tessera.Cli.Tests.Fixtures;
using Tessera.Embeddings;

namespace Tessera.Cli.Tests;

/// <summary>Names of pictures.</summary>
public sealed class ClassifyTests(TrainedRun run) : IDisposable
{
    private static readonly Familiarity All = new(0, -1, .025, 40, HeldOut: true), None = new(1, 1, .025, 40, HeldOut: false);
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Classify_Names_Files_The_Likeliest_Class_First()
    {
        var model = ClassifierFile.Write(folder["m.safetensors"], All);
        string[] pictures = [Picture("a.png", 30), Picture("b.png", 50)];

        var table = CommandLine.Run(["classify", "--model", model, .. pictures]).ShouldBeDone();
        var json = Json("classify", "--model", model, pictures[0], pictures[1], "--top", "8");

        table.Error.ShouldBeEmpty();
        table.OutputLines.Length.ShouldBe(6); // three classes of each
        var answers = json.GetProperty("pictures");
        answers.GetArrayLength().ShouldBe(2);
        for (var i = 0; i < 2; i++)
        {
            answers[i].GetProperty("picture").GetString().ShouldBe(pictures[i]);
            var classes = answers[i].GetProperty("classes").EnumerateArray().Select(c => (Name: c.GetProperty("name").GetString()!, Probability: c.GetProperty("probability").GetDouble())).ToList();
            classes.Select(c => c.Name).Order().ShouldBe(ClassifierFile.Names.Order());
            classes.Sum(c => c.Probability).ShouldBe(1, 1e-5);
            classes.Select(c => c.Probability).ShouldBe(classes.Select(c => c.Probability).OrderDescending());
            for (var place = 0; place < 3; place++)
                table.OutputLines[3 * i + place].ShouldBe(FormattableString.Invariant($"{(place == 0 ? pictures[i] : new string(' ', pictures[i].Length))}  {100 * classes[place].Probability,5:f1} %  {classes[place].Name}"));
        }
    }

    [Fact]
    public void Right_Answers_Are_Counted_By_The_Names_Of_Classes_And_Unknown_Classes_Apart()
    {
        var model = ClassifierFile.Write(folder["m.safetensors"], All);

        var json = Json("classify", "--model", model, "--data", TrainedRun.Data, "--cache", folder["cache"], "--top", "5");
        var words = CommandLine.Run("classify", "--model", model, "--data", TrainedRun.Data, "--cache", folder["cache"], "-o", folder["out/names.csv"]).ShouldBeDone();

        // A drawn shape is named after its class: train/star-000012.
        var answers = json.GetProperty("pictures").EnumerateArray().Select(p => (Picture: p.GetProperty("picture").GetString()!,
            Label: p.GetProperty("picture").GetString()!.Split('/')[1].Split('-')[0], Named: p.GetProperty("classes").EnumerateArray().Select(c => c.GetProperty("name").GetString()!).ToList())).ToList();
        answers.Count.ShouldBe(110);
        var known = answers.Where(a => ClassifierFile.Names.Contains(a.Label)).ToList();
        var (right, among) = (known.Count(a => a.Named[0] == a.Label), known.Count(a => a.Named.Contains(a.Label)));
        right.ShouldBeGreaterThan(0);
        var report = json.GetProperty("report");
        (report.GetProperty("top1").GetProperty("correct").GetInt32(), report.GetProperty("top5").GetProperty("correct").GetInt32()).ShouldBe((right, among));
        report.GetProperty("top1").GetProperty("count").GetInt32().ShouldBe(known.Count);
        report.GetProperty("unknown").EnumerateArray().ToDictionary(u => u.GetProperty("name").GetString()!, u => u.GetProperty("pictures").GetInt32())
            .ShouldBe(answers.Where(a => !ClassifierFile.Names.Contains(a.Label)).GroupBy(a => a.Label).ToDictionary(g => g.Key, g => g.Count()), ignoreOrder: true);

        words.OutputLines[0].ShouldBe($"110 pictures named: {folder["out/names.csv"]}");
        words.OutputLines[1].ShouldStartWith(FormattableString.Invariant($"{right} of {known.Count} labelled pictures are named rightly: top-1 {100.0 * right / known.Count:f2} % ("));
        words.OutputLines[2].ShouldStartWith($"{110 - known.Count} pictures are of classes that the model does not know, and are not counted: clover (");
        var rows = File.ReadAllLines(folder["out/names.csv"]);
        rows[0].ShouldBe("picture,class,title,probability,similarity,looks_like_none");
        rows[1..].Select(row => row.Split(',')[0]).ShouldBe(answers.Select(a => a.Picture));
        rows[1..].Select(row => row.Split(',')[1]).ShouldBe(answers.Select(a => a.Named[0]));
        rows[1].ShouldContain($",\"{answers[0].Named[0]}, a shape\",");
    }

    [Fact]
    public void What_Looks_Like_No_Class_Is_Marked_And_The_Thresholds_Are_Said_Once()
    {
        var picture = Picture("a.png", 30);

        var marked = CommandLine.Run("classify", "--model", ClassifierFile.Write(folder["m.safetensors"], None), picture, picture, "--top", "1").ShouldBeDone();
        var unmarked = CommandLine.Run("classify", "--model", ClassifierFile.Write(folder["m.safetensors"], All), picture, picture, "--top", "1").ShouldBeDone();

        marked.OutputLines[0].ShouldEndWith("  (looks like no class)");
        marked.OutputLines[2..].ShouldBe([
            "2 of 2 look like no class: the best class is less likely than 100.0 %, or the cosine to the nearest class's mean is below 1.000",
            "  (of 40 training pictures that were named rightly, 2.5 % fall below each)",
        ]);
        unmarked.OutputLines.ShouldBe(marked.OutputLines[..2].Select(line => line.Replace("  (looks like no class)", "")));
    }

    [Fact]
    public void Broken_Pictures_Are_Named_And_The_Others_Classified()
    {
        var model = ClassifierFile.Write(folder["m.safetensors"], All);
        folder.Write("torn.jpg", "no picture");

        var outcome = CommandLine.Run("classify", "--model", model, folder["torn.jpg"], Picture("a.png", 30), "--top", "1");

        outcome.Code.ShouldBe(1);
        outcome.Error.ShouldStartWith($"1 broken picture left out:\n  {folder["torn.jpg"]} ");
        outcome.OutputLines.ShouldHaveSingleItem().ShouldStartWith(folder["a.png"]);
    }

    [Fact]
    public void A_Source_Without_A_Class_That_The_Model_Knows_Is_Told()
    {
        var model = ClassifierFile.Write(folder["m.safetensors"], All);
        foreach (var animal in new[] { "cat", "dog" })
        {
            folder.Folder($"animals/{animal}");
            for (var i = 0; i < 3; i++) Picture($"animals/{animal}/{i}.png", 20 + i);
        }

        CommandLine.Run("classify", "--model", model, "--data", folder["animals"], "--cache", folder["cache"]).ShouldBeDone().OutputLines[^2..].ShouldBe([
            "6 pictures are of classes that the model does not know, and are not counted: cat (3), dog (3)",
            "  no class of the pictures is one of the model's: star, arrow, ghost, circle, cross, heart, ring, square",
        ]);
    }

    [Fact]
    public void Info_Shows_The_Classes()
    {
        var lines = CommandLine.Run("info", ClassifierFile.Write(folder["m.safetensors"], None)).ShouldBeDone().OutputLines;

        lines.ShouldContain("classes     8: star, arrow, ghost, circle, cross, heart, ...");
        lines.ShouldContain("told by     the mean of the patch tokens and a linear layer");
        lines.ShouldContain("no class    below a probability of 1.000 or a cosine of 1.000 (2.5 % of 40 training pictures below each)");
    }

    [Fact]
    public void Export_Writes_The_Classifier_Unless_Its_Vectors_Are_Asked_For()
    {
        string[] export = ["export", "--model", ClassifierFile.Write(folder["m.safetensors"], All), "--format", "onnx"];

        CommandLine.Run([.. export, "-o", folder["c.onnx"], "--type", "f16"]).ShouldBeDone();
        CommandLine.Run([.. export, "-o", folder["e.onnx"], "--layer", "1"]).ShouldBeDone();
        CommandLine.Run([.. export, "--project", folder["app"]]).ShouldBeDone().OutputLines[0].ShouldBe(folder["app/classifier.onnx"]);

        JsonDocument.Parse(File.ReadAllText(folder["c.golden.json"])).RootElement.GetProperty("probabilities").GetArrayLength().ShouldBe(ClassifierFile.Names.Count);
        JsonDocument.Parse(File.ReadAllText(folder["e.golden.json"])).RootElement.GetProperty("vector").GetArrayLength().ShouldBe(16);
        CommandLine.Run([.. export, "-o", folder["x.onnx"], "--graph", "classifier", "--layer", "1"]).ShouldFail(2, "--pool and --layer are for --graph encoder: a classifier gives names.");
        CommandLine.Run("export", "--model", run.Folder, "--format", "onnx", "-o", folder["x.onnx"], "--graph", "classifier").Error.ShouldContain("holds an encoder that knows no classes, so it cannot name pictures");
    }

    [Fact]
    public void Says_What_Is_Missing_Or_Does_Not_Go_Together()
    {
        var (model, picture) = (ClassifierFile.Write(folder["m.safetensors"], null), Picture("a.png", 30));
        CommandLine.Run("classify", "--model", run.Folder, picture).ShouldFail(
            1, $"{run.Folder}/model.safetensors holds an encoder that knows no classes, so it cannot name pictures: make a classifier of it with labelled pictures first (fine-tuning).");
        CommandLine.Run("classify", "--model", model).ShouldFail(2, "Name the pictures: files, or a source with --data SOURCE.");
        CommandLine.Run("classify", "--model", model, picture, "--data", "shapes:4").ShouldFail(2, "Name the pictures: files, or a source with --data SOURCE.");
        CommandLine.Run("classify", "--model", model, folder.Path).ShouldFail(2, $"{folder.Path} is a folder: give it with --data.");
        CommandLine.Run("classify", "--model", model, picture, "--top", "0").ShouldFail(2, "--top must be at least 1.");
        CommandLine.Run("classify", "--model", model, picture, "-o", "names.txt").ShouldFail(2, "--out is 'names.txt': name a .csv file.");
    }

    private string Picture(string name, int width)
    {
        File.WriteAllBytes(folder[name], Pictures.Encode(width, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));
        return folder[name];
    }

    private static JsonElement Json(params string[] arguments) =>
        JsonDocument.Parse(CommandLine.Run([.. arguments, "--json"]).ShouldBeDone().OutputLines.ShouldHaveSingleItem()).RootElement;
}
