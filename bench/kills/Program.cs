using System.Globalization;
using Tessera.Kills;

// Kills the command and goes on: dotnet run -c Release --project bench/kills -- [--count N] [--seed N] [--work NAME]
// --count kills of each work. What is left after a fault stays, to be looked at; the exit code is then 1.
var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair.Length == 2 ? pair[1] : "");
if (options.Keys.Except(["--count", "--seed", "--work"]).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"{unknown}: give --count N, --seed N and --work NAME.");
    return 2;
}
var works = Works.All().Where(work => !options.TryGetValue("--work", out var name) || work.Name == name).ToList();
if (works.Count == 0)
{
    Console.Error.WriteLine($"The works are {string.Join(", ", Works.All().Select(work => work.Name))}.");
    return 2;
}
var (count, seed) = (Number("--count", 20), Number("--seed", 1));
var folder = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
Console.WriteLine($"seed {seed}; what is written lies in {folder}");
var faults = 0;
foreach (var work in works)
{
    using var release = work;
    var own = Directory.CreateDirectory(Path.Join(folder, work.Name)).FullName;
    work.Prepare(Directory.CreateDirectory(Path.Join(own, "inputs")).FullName);
    var (told, shown) = (0, 0);
    var report = KillRun.Run(work, own, count, seed, so =>
    {
        foreach (var fault in so.Faults.Skip(told)) Console.WriteLine($"  {so.Work}: {fault}");
        told = so.Faults.Count;
        if (so.Kills / 50 > shown && so.Kills < count) Tell(so);
        shown = so.Kills / 50;
    });
    Tell(report);
    faults += report.Faults.Count;
}
if (faults == 0) Directory.Delete(folder, recursive: true);
return faults == 0 ? 0 : 1;

static void Tell(KillReport report) => Console.WriteLine($"{report.Work,-10} {report.Kills,6} kills {report.Trials,5} trials {report.Faults.Count,4} faults");

int Number(string name, int otherwise) => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
