using System.Globalization;
using Tessera.Mutations;

// Mutated files for every reader: dotnet run -c Release --project bench/mutations -- [--count N] [--seed N] [--reader NAME] [--case N]
// --case reads one case of a reader alone, to look into a fault, and leaves its file. The exit code is 1 where a reader broke a promise.
// "fuzz" as the first word: see bench/fuzz.
if (args is ["fuzz", .. var fuzzing]) return Fuzzing.Run(fuzzing);
var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair.Length == 2 ? pair[1] : "");
if (options.Keys.Except(["--count", "--seed", "--reader", "--case"]).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"{unknown}: give --count N, --seed N, --reader NAME and --case N.");
    return 2;
}
var seed = Number("--seed", 1);
var single = options.ContainsKey("--case");
var readers = Readers.All.Where(reader => !options.TryGetValue("--reader", out var name) || reader.Name == name).ToList();
if (readers.Count == 0)
{
    Console.Error.WriteLine($"The readers are {string.Join(", ", Readers.All.Select(reader => reader.Name))}.");
    return 2;
}
var folder = Directory.CreateTempSubdirectory("tessera-mutations-").FullName;
Console.WriteLine($"seed {seed}; what is being read lies in {folder}");
var faults = 0;
foreach (var reader in readers)
{
    var own = Directory.CreateDirectory(Path.Join(folder, reader.Name)).FullName;
    var report = MutationRun.Run(reader, own, single ? 1 : Number("--count", 1000), seed, Number("--case", 0));
    Console.WriteLine($"{report.Reader,-14} {report.Read,7} read {report.Refused,7} refused {report.Faults.Count,5} faults");
    foreach (var fault in report.Faults.Take(5)) Console.WriteLine($"  {fault}");
    faults += report.Faults.Count;
}
if (!single) Directory.Delete(folder, recursive: true);
return faults == 0 ? 0 : 1;

int Number(string name, int otherwise) => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
