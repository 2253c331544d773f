namespace Tessera.Kills.Tests;

/// <summary>A short run of <c>bench/kills</c>. Fine-tuning is killed by a test of the command's own.</summary>
public class KillTests
{
    [Theory]
    [InlineData("pretrain", 2)]
    [InlineData("pack", 2)]
    [InlineData("fetch", 2)]
    [InlineData("export", 1)]
    [InlineData("shard", 2)]
    public void What_Was_Killed_Ends_As_What_Was_Not(string name, int kills)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such signal.");
        var folder = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
        try
        {
            using var work = Works.All().Single(work => work.Name == name);
            work.Prepare(Directory.CreateDirectory(Path.Join(folder, "inputs")).FullName);

            var report = KillRun.Run(work, folder, kills, seed: 1);

            report.Faults.ShouldBeEmpty();
            report.Kills.ShouldBe(kills);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <remarks>A limit of the shell stands in for a full disk, which only root can make: writing fails in the same places.</remarks>
    [Fact]
    public void What_Had_Too_Little_Room_Says_So_And_Ends_As_What_Had_Enough()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such limit.");
        ShouldTell("pack", Shortage.File, "tessera: pictures.tessera cannot be written (");
    }

    [Fact]
    public void A_Disk_With_Too_Little_Room_Leaves_What_Was_There()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Only root may mount a file system, and Linux has one in memory.");
        ShouldTell("ship", Shortage.Room, "tessera: model.safetensors cannot be written: "); // which writes over a model that is there
    }

    private static void ShouldTell(string name, Shortage shortage, string beginning)
    {
        var folder = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
        try
        {
            using var work = Works.All().Single(work => work.Name == name);
            work.Prepare(Directory.CreateDirectory(Path.Join(folder, "inputs")).FullName);

            var report = ShortageRun.Run(work, folder, times: 2, seed: 1, shortage);

            report.Faults.ShouldBeEmpty();
            report.Messages.Count.ShouldBe(2);
            report.Messages.ShouldAllBe(message => message.StartsWith(beginning, StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A training of 1,000 steps that is looked at every 10: what it holds at first is no part of the drift.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(100, 0.8)] // of the 100,000 that it has in the second tenth, 100 more in each later one
    public void Memory_That_Grows_Is_Told_From_Memory_That_Does_Not(long growth, double percent)
    {
        var seen = Enumerable.Range(1, 100).Select(i => (Steps: 10L * i, Bytes: i <= 10 ? 1L : 100_000 + growth * ((i - 11) / 10))).ToList();

        var report = StepsReport.Of("packed", seen, 1000);

        report.Tenths.Count.ShouldBe(10);
        report.Tenths[0].ShouldBe(1);
        report.Drift.ShouldBe(percent, 1e-9);
        Should.Throw<InvalidOperationException>(() => StepsReport.Of("packed", seen[..50], 1000)).Message
            .ShouldBe("Nothing was seen in tenth 6 of 1000 steps: ask for more steps.");
    }

    [Fact]
    public void What_Was_There_Before_Stands_Until_It_Is_Replaced()
    {
        var folder = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
        try
        {
            foreach (var name in new[] { "a.csv", "b.csv", "c.csv" }) File.WriteAllText(Path.Join(folder, name), "old");
            var before = Snapshot.Of(folder);
            foreach (var name in new[] { "a.csv", "b.csv", "c.csv" }) File.WriteAllText(Path.Join(folder, name), "new");
            var whole = Snapshot.Of(folder);
            File.WriteAllText(Path.Join(folder, "a.csv"), "old");
            Snapshot.Halves(folder, whole, isOneFile: true, before).ShouldBeEmpty();

            File.WriteAllText(Path.Join(folder, "b.csv"), "ne");
            File.Delete(Path.Join(folder, "c.csv"));
            Snapshot.Halves(folder, whole, isOneFile: true, before).ShouldBe(["c.csv, which is gone,", "b.csv"], ignoreOrder: true);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void What_Is_Lost_Left_Over_Or_Another_Is_Told()
    {
        var (expected, found) = (Of("a", "b"), Of("a", "b"));
        Snapshot.Difference(expected, found).ShouldBeNull();
        found["b"] = "changed";
        Snapshot.Difference(expected, found).ShouldBe("b is another");
        Snapshot.Difference(expected, Of("a")).ShouldBe("b is not there");
        Snapshot.Difference(expected, Of("a", "b", "b.partial")).ShouldBe("b.partial is left over");

        static SortedDictionary<string, string> Of(params string[] names) => new(names.ToDictionary(name => name, name => $"hash of {name}"), StringComparer.Ordinal);
    }

    [Fact]
    public void A_File_Cut_Short_Is_Told_From_A_Whole_One()
    {
        var folder = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
        try
        {
            File.WriteAllText(Path.Join(folder, "options.json"), "{\"seed\":");
            File.WriteAllBytes(Path.Join(folder, "model.safetensors"), [1, 2, 3]);
            File.WriteAllBytes(Path.Join(folder, "epoch.png"), [0x89, (byte)'P']);
            File.WriteAllText(Path.Join(folder, "summary.json"), "{}");
            File.WriteAllText(Path.Join(folder, "model.safetensors.partial"), "");
            File.WriteAllText(Path.Join(folder, "metrics.jsonl"), "{\"ste");

            Snapshot.Halves(folder, [], isOneFile: false).ShouldBe(["options.json", "model.safetensors", "epoch.png"], ignoreOrder: true);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
