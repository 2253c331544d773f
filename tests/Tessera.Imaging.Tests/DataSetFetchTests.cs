using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public sealed class DataSetFetchTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly HttpClient client = new();

    public void Dispose()
    {
        client.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task Downloads_Verifies_And_Unpacks()
    {
        var zip = Zip(("set/train/a.txt", "alpha"), ("set/empty/", ""), ("set/b.txt", new string('b', 300_000)));
        using var server = FileServer.Of(zip);
        var progress = new Recorder<FetchProgress>();

        var unpacked = await Fetch(server, zip, progress);

        unpacked.ShouldBe(Path.Join(folder.Path, "target", "set"));
        File.ReadAllText(Path.Join(unpacked, "train", "a.txt")).ShouldBe("alpha");
        File.ReadAllText(Path.Join(unpacked, "b.txt")).Length.ShouldBe(300_000);
        Directory.Exists(Path.Join(unpacked, "empty")).ShouldBeTrue();
        ShouldHoldOnlyTheDataSet();
        progress.Reports.Last(report => report.Stage == FetchStage.Downloading).ShouldBe(new FetchProgress(FetchStage.Downloading, zip.Length, zip.Length));
        progress.Reports.Last(report => report.Stage == FetchStage.Verifying).ShouldBe(new FetchProgress(FetchStage.Verifying, zip.Length, zip.Length));
        progress.Reports[^1].ShouldBe(new FetchProgress(FetchStage.Unpacking, 300_005, 300_005));
    }

    [Fact]
    public async Task Does_Nothing_Where_The_Data_Set_Is_There()
    {
        var zip = Zip(("set/a.txt", "alpha"));
        using var server = FileServer.Of(zip);
        await Fetch(server, zip);
        await Fetch(server, zip);
        server.Ranges.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Goes_On_Where_A_Download_Broke_Off()
    {
        var zip = Zip(("set/a.bin", Noise(400_000)));
        using var arrived = new ManualResetEvent(false);
        using var server = new FileServer((context, earlier) =>
        {
            if (earlier == 0)
                FileServer.BreakOff(context, zip, after: 100_000, arrived);
            else
                FileServer.SendFrom(context, zip, FileServer.RangeStart(context));
        });

        var broken = await Should.ThrowAsync<DataSetFetchException>(() => Fetch(server, zip, new Recorder<FetchProgress>(_ => arrived.Set())));
        var kept = new FileInfo(Part).Length;
        await Fetch(server, zip);

        broken.Message.ShouldMatch("^The download from http://127.0.0.1.* broke off after .* bytes .*: run the same command again and it goes on from there.$");
        kept.ShouldBeInRange(1, 100_000);
        server.Ranges.ShouldBe([null, $"bytes={kept}-"]);
        ShouldHoldOnlyTheDataSet();
    }

    [Fact]
    public async Task Starts_Afresh_Where_The_Server_Ignores_The_Range()
    {
        var zip = Zip(("set/a.txt", "alpha"));
        folder.Write("target/set.zip.part", "something else, from earlier");
        using var server = new FileServer((context, _) => FileServer.SendFrom(context, zip, 0));

        await Fetch(server, zip);

        server.Ranges.ShouldBe(["bytes=28-"]);
        ShouldHoldOnlyTheDataSet();
    }

    [Fact]
    public async Task Starts_Afresh_Where_The_Server_Sends_Another_Range()
    {
        var zip = Zip(("set/a.txt", "alpha"));
        folder.Write("target/set.zip.part", "something");
        using var server = new FileServer((context, earlier) => FileServer.SendFrom(context, zip, earlier == 0 ? 3 : 0));

        await Fetch(server, zip);

        server.Ranges.ShouldBe(["bytes=9-", null]);
        ShouldHoldOnlyTheDataSet();
    }

    [Theory]
    [InlineData(0, 1)] // whole already: one request, to learn that
    [InlineData(5, 2)] // longer than the server's: another file
    public async Task Copes_With_A_Part_That_Is_As_Long_As_The_File_Or_Longer(int surplus, int requests)
    {
        var zip = Zip(("set/a.txt", "alpha"));
        folder.Write("target/set.zip.part", [.. zip, .. new byte[surplus]]);
        using var server = FileServer.Of(zip);

        await Fetch(server, zip);

        server.Ranges.Count.ShouldBe(requests);
        ShouldHoldOnlyTheDataSet();
    }

    [Fact]
    public async Task Refuses_A_File_Of_Another_Md5_And_Removes_It()
    {
        var zip = Zip(("set/a.txt", "alpha"));
        using var server = FileServer.Of(zip);

        var error = await Should.ThrowAsync<DataSetFetchException>(() => Fetch(server, [1, 2, 3]));

        error.Message.ShouldBe(
            $"What {server.Address} served is not set: its MD5 is {Md5(zip)}, not {Md5([1, 2, 3])}; it was removed, so try again or name another address.");
        Directory.GetFileSystemEntries(folder["target"]).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("../evil.txt")]
    [InlineData("set/../../evil.txt")]
    [InlineData("/tmp/evil.txt")]
    [InlineData("set\\..\\..\\evil.txt")]
    [InlineData("..")]
    public async Task Refuses_An_Archive_That_Reaches_Outside_Its_Folder(string evil)
    {
        var zip = Zip(("set/a.txt", "alpha"), (evil, "beta"));
        using var server = FileServer.Of(zip);

        var error = await Should.ThrowAsync<DataSetFetchException>(() => Fetch(server, zip));

        error.Message.ShouldEndWith($"holds {evil}, which reaches outside its folder: it was not unpacked.");
        Directory.GetFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories).ShouldBe([folder["target"], Part], ignoreOrder: true);
    }

    [Fact]
    public async Task Refuses_An_Archive_With_A_Link()
    {
        var zip = Zip(entry => entry.ExternalAttributes = unchecked((int)0xA1FF0000), ("set/link", "/etc"));
        using var server = FileServer.Of(zip);
        (await Should.ThrowAsync<DataSetFetchException>(() => Fetch(server, zip))).Message.ShouldContain("holds set/link, which is a link");
    }

    [Fact]
    public async Task Refuses_What_Is_No_Archive_Or_Another()
    {
        byte[] text = [.. Encoding.ASCII.GetBytes("no archive at all")];
        using var textServer = FileServer.Of(text);
        (await Should.ThrowAsync<DataSetFetchException>(() => Fetch(textServer, text))).Message.ShouldContain("is not a zip archive");
        File.Delete(Part);

        var other = Zip(("another/a.txt", "alpha"));
        using var otherServer = FileServer.Of(other);
        (await Should.ThrowAsync<DataSetFetchException>(() => Fetch(otherServer, other))).Message.ShouldContain("does not hold the folder set");
        Directory.GetDirectories(folder["target"]).ShouldBeEmpty();
    }

    [Fact]
    public async Task Refuses_An_Archive_Whose_Directory_Is_Damaged()
    {
        var counted = Zip(("set/a.txt", "alpha"));
        counted[^12] = 7; // the number of entries, in the record that ends it
        using var countedServer = FileServer.Of(counted);
        (await Should.ThrowAsync<DataSetFetchException>(() => Fetch(countedServer, counted))).Message.ShouldContain("is not a zip archive, or damaged: ");
        File.Delete(Part);

        byte[] named = [.. Zip(("set/a.txt", "alpha"))];
        for (var at = 0; named.AsSpan(at).IndexOf("set/a"u8) is var found and >= 0;) named[(at += found + 4)] = 0; // before the file, and in the directory
        using var namedServer = FileServer.Of(named);
        (await Should.ThrowAsync<DataSetFetchException>(() => Fetch(namedServer, named))).Message.ShouldContain("holds a name that no file can have");
        Directory.GetDirectories(folder["target"]).ShouldBeEmpty();
    }

    [Fact]
    public async Task Removes_What_A_Killed_Unpacking_Left()
    {
        folder.Write("target/set.unpacking/set/stale.txt", "from earlier");
        var zip = Zip(("set/a.txt", "alpha"));
        using var server = FileServer.Of(zip);
        File.Exists(Path.Join(await Fetch(server, zip), "stale.txt")).ShouldBeFalse();
    }

    [Fact]
    public async Task Removes_What_A_Kill_Left_Beside_The_Whole_Folder()
    {
        var zip = Zip(("set/a.txt", "alpha"));
        using var server = FileServer.Of(zip);
        var whole = await Fetch(server, zip);
        folder.Write("target/set.zip.part", "the archive");
        Directory.CreateDirectory(folder["target/set.unpacking"]);

        (await Fetch(server, zip)).ShouldBe(whole);

        Directory.GetFileSystemEntries(folder["target"]).ShouldBe([whole]);
        server.Ranges.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Says_What_The_Server_Answers()
    {
        using var server = new FileServer((context, _) =>
        {
            context.Response.StatusCode = 404;
            context.Response.Close();
        });
        (await Should.ThrowAsync<DataSetFetchException>(() => Fetch(server, []))).Message.ShouldBe($"{server.Address} answers 404 Not Found: name another address.");
    }

    [Fact]
    public async Task Says_That_There_Is_No_Server()
    {
        var dataSet = new DataSetArchive("set", new Uri($"http://127.0.0.1:{FileServer.FreePort()}/set.zip"), "", "set");
        (await Should.ThrowAsync<DataSetFetchException>(() => DataSetFetch.FetchAsync(dataSet, folder.Path, client, null, TestContext.Current.CancellationToken)))
            .Message.ShouldMatch("cannot be reached .*: check the connection, or name another address.$");
    }

    [Fact]
    public async Task Says_That_The_Folder_Is_Not_Writable()
    {
        folder.Write("target", "a file where the folder should be");
        using var server = FileServer.Of([1]);
        (await Should.ThrowAsync<DataSetFetchException>(() => Fetch(server, [1]))).Message.ShouldContain("cannot be written");
    }

    [Fact]
    public async Task Keeps_What_Came_When_It_Is_Cancelled()
    {
        var zip = Zip(("set/a.bin", Noise(3_000_000)));
        using var server = FileServer.Of(zip);
        using var cancellation = new CancellationTokenSource();
        var progress = new Recorder<FetchProgress>(_ => cancellation.Cancel());

        await Should.ThrowAsync<OperationCanceledException>(() => DataSetFetch.FetchAsync(DataSet(server, zip), folder["target"], client, progress, cancellation.Token));

        new FileInfo(Part).Length.ShouldBePositive();
    }

    [Fact]
    public void Knows_Tiny_ImageNet()
    {
        DataSetArchive.Find("tiny-imagenet").Md5.ShouldBe("90528d7ca1a48142e341f4ef8d21d0de");
        Should.Throw<DataSetFetchException>(() => DataSetArchive.Find("imagenet")).Message.ShouldBe("There is no data set named imagenet to fetch; there are: tiny-imagenet.");
    }

    private string Part => Path.Join(folder.Path, "target", "set.zip.part");

    private Task<string> Fetch(FileServer server, byte[] expected, IProgress<FetchProgress>? progress = null) =>
        DataSetFetch.FetchAsync(DataSet(server, expected), Path.Join(folder.Path, "target"), client, progress, TestContext.Current.CancellationToken);

    private static DataSetArchive DataSet(FileServer server, byte[] expected) => new("set", server.Address, Md5(expected), "set");

    private void ShouldHoldOnlyTheDataSet() =>
        Directory.GetFileSystemEntries(folder["target"]).ShouldBe([Path.Join(folder.Path, "target", "set")]);

#pragma warning disable CA5351 // the data set's publishers give an MD5
    private static string Md5(byte[] file) => Convert.ToHexStringLower(MD5.HashData(file));
#pragma warning restore CA5351

    private static string Noise(int length)
    {
        var random = new CounterRandom(3, RandomPurpose.Texture, 0, 0);
        return string.Create(length, random, (text, source) =>
        {
            foreach (ref var character in text)
                character = (char)(' ' + source.NextBelow(90));
        });
    }

    private static byte[] Zip(params (string Name, string Text)[] files) => Zip(_ => { }, files);

    private static byte[] Zip(Action<ZipArchiveEntry> adjust, params (string Name, string Text)[] files)
    {
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create))
        {
            foreach (var (name, text) in files)
            {
                var entry = zip.CreateEntry(name);
                adjust(entry);
                using var stream = entry.Open();
                stream.Write(Encoding.UTF8.GetBytes(text));
            }
        }
        return memory.ToArray();
    }
}
