using System.Globalization;
using Tessera.Kills;

// Kills the command and goes on: dotnet run -c Release --project bench/kills -- [--count N] [--seed N] [--work NAME] [--by kill|disk|room|file|steps]
// --count kills of each work. What is left after a fault stays, to be looked at; the exit code is then 1.
// --by disk fills up the disk that it writes to at --count instants, --by room leaves it too little from the beginning, --count times more of it,
// which only root can; --by file limits its files' sizes.
// --by steps trains --count steps of a tiny model, and fails where the memory that it holds grows.
var options = args.Chunk(2).ToDictionary(pair => pair[0], pair => pair.Length == 2 ? pair[1] : "");
if (options.Keys.Except(["--count", "--seed", "--work", "--by"]).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"{unknown}: give --count N, --seed N, --work NAME and --by kill, disk, room, file or steps.");
    return 2;
}
var by = options.GetValueOrDefault("--by", "kill");
if (by is not ("kill" or "disk" or "room" or "file" or "steps"))
{
    Console.Error.WriteLine($"--by is '{by}': choose kill, disk, room, file or steps.");
    return 2;
}
var (count, seed) = (Number("--count", 20), Number("--seed", 1));
if (by == "steps") return Steps();
var works = Works.All().Where(work => !options.TryGetValue("--work", out var name) || work.Name == name).ToList();
if (works.Count == 0)
{
    Console.Error.WriteLine($"The works are {string.Join(", ", Works.All().Select(work => work.Name))}.");
    return 2;
}
var folder = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
Console.WriteLine($"seed {seed}; what is written lies in {folder}");
var faults = 0;
foreach (var work in works)
{
    using var release = work;
    var own = Directory.CreateDirectory(Path.Join(folder, work.Name)).FullName;
    work.Prepare(Directory.CreateDirectory(Path.Join(own, "inputs")).FullName);
    if (by != "kill")
    {
        var lack = ShortageRun.Run(work, own, count, seed, Enum.Parse<Shortage>(by, ignoreCase: true));
        Console.WriteLine($"{lack.Work,-10} {lack.Times,6} shortages {lack.Messages.Count,5} failures {lack.Faults.Count,4} faults");
        foreach (var said in lack.Messages.Distinct().Order(StringComparer.Ordinal)) Console.WriteLine($"  {said}");
        foreach (var fault in lack.Faults) Console.WriteLine($"  FAULT {fault}");
        faults += lack.Faults.Count;
        continue;
    }
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

int Steps()
{
    var grew = false;
    var wanted = options.TryGetValue("--work", out var name) ? [name] : StepsRun.Trainings.Keys;
    if (wanted.FirstOrDefault(training => !StepsRun.Trainings.ContainsKey(training)) is not null)
    {
        Console.Error.WriteLine($"The trainings are {string.Join(", ", StepsRun.Trainings.Keys)}.");
        return 2;
    }
    var place = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
    foreach (var training in wanted)
    {
        var report = StepsRun.Run(place, training, count);
        Console.WriteLine(report);
        grew |= report.Drift > StepsRun.MostDrift;
    }
    Directory.Delete(place, recursive: true);
    return grew ? 1 : 0;
}

static void Tell(KillReport report) => Console.WriteLine($"{report.Work,-10} {report.Kills,6} kills {report.Trials,5} trials {report.Faults.Count,4} faults");

int Number(string name, int otherwise) => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
