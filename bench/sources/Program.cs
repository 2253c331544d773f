using System.Diagnostics;
using System.Globalization;
using Tessera.Data;
using Tessera.Imaging;

// How large a source may be: dotnet run -c Release --project bench/sources -- [--pictures N] [--folder DIR]
// One shard of a thousand drawn pictures stands under as many names as are needed (links), so that an index lists N pictures and hardly any disk is taken. Printed is what
// looking through all shards once takes, what opening the source takes afterwards, what it costs in memory, and what an epoch's order and a split take.
const int InAShard = 1000;
var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair.Length == 2 ? pair[1] : "");
if (options.Keys.Except(["--pictures", "--folder"]).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"{unknown}: give --pictures N and --folder DIR.");
    return 2;
}
var wanted = int.Parse(options.GetValueOrDefault("--pictures", "1300000"), CultureInfo.InvariantCulture);
var isOurs = !options.ContainsKey("--folder");
var folder = isOurs ? Directory.CreateTempSubdirectory("tessera-sources-").FullName : options["--folder"];
try
{
    Prepare(folder, wanted);
    Tell("looked through all shards, once", Timed(() => Open(folder)));
    var before = Settled();
    ImageSource source = null!;
    Tell("opened again, indexed", Timed(() => source = Open(folder)));
    var count = source.Entries.Count;
    Console.WriteLine(FormattableString.Invariant($"{count,13:n0} pictures, {(Settled() - before) / (double)count:f0} bytes a picture"));

    ImageSet images = null!;
    var shape = new ImageShape(3, 64, 64);
    Tell($"opened to be streamed ({StreamedImages.MeasuredPictures:n0} pictures decoded for mean and deviation, the split drawn)", Timed(() => images = StreamedImages.Open(source, shape, seed: 1)));
    Console.WriteLine(FormattableString.Invariant($"{(Settled() - before) / (double)count,13:f0} bytes a picture, streamed"));
    DataSplit split = null!;
    Tell("split", Timed(() => split = DataSplit.Of(images, limit: null, seed: 1)));
    for (var epoch = 0; epoch < 3; epoch++) Tell($"order of epoch {epoch}", Timed(() => BatchLoader.Shuffled(split.Train, seed: 1, epoch)));
    var pixels = new byte[shape.Pixels];
    var random = new Random(1);
    Tell("5,000 pictures anywhere, on one core", Timed(() =>
    {
        for (var i = 0; i < 5000; i++) images.Read(random.Next(images.Count), pixels);
    }));
    GC.KeepAlive(source);
    images.Dispose();
    return 0;
}
finally
{
    if (isOurs) Directory.Delete(folder, recursive: true);
}

static ImageSource Open(string folder) => ImageSource.Open(Path.Join(folder, "shards"));

static void Prepare(string folder, int pictures)
{
    var shards = Path.Join(folder, "shards");
    if (Directory.Exists(shards)) return;
    DataSetShards.Write(ImageSource.Open($"shapes:{InAShard}"), Path.Join(folder, "one"));
    Directory.CreateDirectory(shards);
    for (var i = 0; i < (pictures + InAShard - 1) / InAShard; i++)
        File.CreateSymbolicLink(Path.Join(shards, string.Create(CultureInfo.InvariantCulture, $"train-{i:D6}.tar")), Path.Join(Path.GetFullPath(folder), "one", "train-000000.tar"));
    File.Copy(Path.Join(folder, "one", "classes.txt"), Path.Join(shards, "classes.txt"));
}

static double Timed(Action work)
{
    var clock = Stopwatch.StartNew();
    work();
    return clock.Elapsed.TotalSeconds;
}

static long Settled()
{
    GC.Collect();
    GC.WaitForPendingFinalizers();
    return GC.GetTotalMemory(forceFullCollection: true);
}

static void Tell(string what, double seconds) => Console.WriteLine(FormattableString.Invariant($"{seconds,11:f2} s {what}"));
