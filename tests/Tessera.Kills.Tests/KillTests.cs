namespace Tessera.Kills.Tests;

/// <summary>A short run of <c>bench/kills</c>. Fine-tuning is killed by a test of the command's own.</summary>
public class KillTests
{
    [Theory]
    [InlineData("pretrain", 2)]
    [InlineData("pack", 2)]
    [InlineData("fetch", 2)]
    [InlineData("export", 1)]
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
        var folder = Directory.CreateTempSubdirectory("tessera-kills-").FullName;
        try
        {
            using var work = Works.All().Single(work => work.Name == "pack");
            work.Prepare(Directory.CreateDirectory(Path.Join(folder, "inputs")).FullName);

            var report = ShortageRun.Run(work, folder, times: 2, seed: 1, Shortage.File);

            report.Faults.ShouldBeEmpty();
            report.Messages.Count.ShouldBe(2);
            report.Messages.ShouldAllBe(message => message.StartsWith("tessera: pictures.tessera cannot be written (", StringComparison.Ordinal));
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
