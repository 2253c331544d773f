// Embedding JPEG files: Tessera.Onnx, ONNX Runtime fed with ready tensors, and libtorch, in fp32 on all cores; and memory over many pictures.
//
//     dotnet run -c Release --project bench/onnx -- FOLDER [PICTURES a round] [PICTURES for memory]
//
// The three take turns, so that a shared machine's drift meets all alike; medians of five rounds.
using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Onnx;

const string Model = "tessera-tiny";
const int Rounds = 5, Batch = 32;

if (args.Length is < 1 or > 3 || !Directory.Exists(args[0]))
{
    Console.Error.WriteLine("Usage: FOLDER [PICTURES a round] [PICTURES for memory]: a folder of JPEG files.");
    return 2;
}
var (perRound, forMemory) = (Number(1, 2048), Number(2, 100_000));
string[] found = [.. Directory.EnumerateFiles(args[0]).Order(StringComparer.Ordinal)];
string[] files = [.. Enumerable.Range(0, perRound).Select(i => found[i % found.Length])];
var folder = Directory.CreateTempSubdirectory("tessera-onnx-bench-");
try
{
    var exported = OnnxExport.Encoder(Model, Path.Join(folder.FullName, "encoder.onnx"), new OnnxExportOptions { Golden = false }).File;
    using (var torch = PictureEncoder.Load(Model, device: "cpu")) Compare(exported, torch);
    Memory(exported);
}
finally
{
    folder.Delete(recursive: true);
}
return 0;

void Compare(string exported, PictureEncoder torch)
{
    using var embedder = new ImageEmbedder(exported);
    using var session = new InferenceSession(exported);
    using var run = new RunOptions();
    using var ready = OrtValue.CreateTensorValueFromMemory(new byte[Batch * embedder.Shape.Pixels], [Batch, embedder.Shape.Height, embedder.Shape.Width, embedder.Shape.Channels]);
    (string Name, Action Work)[] paths =
    [
        ("Tessera.Onnx, from JPEG files", () => embedder.Embed(files)),
        ("ONNX Runtime, ready tensors", () =>
        {
            for (var done = 0; done < files.Length; done += Batch) session.Run(run, ["pixels"], [ready], ["vector"]).Dispose();
        }),
        ("libtorch, from JPEG files", () => torch.Embed(files)),
    ];
    var rates = paths.Select(_ => new List<double>()).ToList();
    for (var round = 0; round <= Rounds; round++) // the first warms up
    {
        foreach (var (number, (_, work)) in paths.Index())
        {
            var time = Stopwatch.StartNew();
            work();
            if (round > 0) rates[number].Add(files.Length / time.Elapsed.TotalSeconds);
        }
    }
    foreach (var (path, own) in paths.Zip(rates)) Console.WriteLine($"{path.Name}: {Median(own):f1} images/s ({own.Min():f1} to {own.Max():f1})");
    Console.WriteLine($"of ready tensors {Median([.. rates[0].Zip(rates[1], (a, b) => a / b)]):f3}, of libtorch {Median([.. rates[0].Zip(rates[2], (a, b) => a / b)]):f3}");
}

void Memory(string exported)
{
    using var embedder = new ImageEmbedder(exported);
    for (var done = 0; done < forMemory; done += Math.Min(perRound, forMemory - done))
    {
        embedder.Embed([.. files.Take(Math.Min(perRound, forMemory - done))]);
        if (done < 10_000 && done + perRound >= 10_000) Say(done + perRound);
    }
    Say(forMemory);

    static void Say(int pictures)
    {
        using var process = Process.GetCurrentProcess();
        Console.WriteLine($"resident after {pictures} pictures: {process.WorkingSet64 / 1_000_000} MB");
    }
}

int Number(int place, int otherwise) => args.Length > place ? int.Parse(args[place], CultureInfo.InvariantCulture) : otherwise;

static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
