namespace Tessera.Mutations.Tests;

/// <summary>A short run of <c>bench/mutations</c>, one reader after the other, since memory is counted for the whole process.</summary>
public class MutationTests
{
    private const int Cases = 150;

    public static TheoryData<string> Names => [.. Readers.All.Select(reader => reader.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_Mutated_File_Is_Read_Or_Refused_And_Nothing_Else(string name)
    {
        var folder = Directory.CreateTempSubdirectory("tessera-mutations-").FullName;
        try
        {
            var report = MutationRun.Run(Readers.All.Single(reader => reader.Name == name), folder, Cases, seed: 1);

            report.Faults.ShouldBeEmpty();
            (report.Read + report.Refused).ShouldBe(Cases);
            report.Refused.ShouldBeGreaterThan(Cases / 20, "the changes reach what is checked");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Cases of long counts that broke a promise once.</summary>
    [Theory]
    [InlineData("parquet-pictures", 201, 25189)] // a block of Snappy's that claims 268 MB
    [InlineData("tessera", 201, 1907)] // all pictures are test pictures
    public void What_Was_Found_Once_Stays_Mended(string name, int seed, int number)
    {
        var folder = Directory.CreateTempSubdirectory("tessera-mutations-").FullName;
        try
        {
            MutationRun.Run(Readers.All.Single(reader => reader.Name == name), folder, 1, seed, first: number).Faults.ShouldBeEmpty();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_Same_Seed_Makes_The_Same_Changes()
    {
        byte[] whole = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];
        byte[] Mutated(int seed) => new Mutator(new Random(seed)).Mutate(whole);

        Mutated(4).ShouldBe(Mutated(4));
        Mutated(4).ShouldNotBe(Mutated(5));
        Mutated(4).ShouldNotBe(whole);
    }

    [Fact]
    public void A_Reader_That_Throws_Another_Exception_Or_Takes_Too_Much_Is_Told()
    {
        var folder = Directory.CreateTempSubdirectory("tessera-mutations-").FullName;
        try
        {
            var report = MutationRun.Run(Faulty(size => throw new InvalidOperationException($"{size}")), folder, 3, seed: 1);
            var greedy = MutationRun.Run(Faulty(_ => GC.KeepAlive(new byte[2 * MutationRun.MostBytes])), folder, 2, seed: 1);

            report.Faults.Count.ShouldBe(3);
            report.Faults[0].ShouldStartWith("case 0: InvalidOperationException: ");
            greedy.Faults.ShouldAllBe(fault => fault.Contains("it took "));
            greedy.Faults.Count.ShouldBe(2);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A reader that fails at every file but the sound one.</summary>
    private static Reader Faulty(Action<long> fails) => new("faulty", [], folder =>
    {
        var (file, sound) = (Path.Join(folder, "file"), new byte[40]);
        File.WriteAllBytes(file, sound);
        return
        [
            new Subject(file, () =>
            {
                if (!File.ReadAllBytes(file).AsSpan().SequenceEqual(sound)) fails(new FileInfo(file).Length);
            }),
        ];
    });
}
