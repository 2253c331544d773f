using Tessera.Imaging.Containers;
using Tessera.Imaging.Folders;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

/// <summary>What ends the work and what leaves a picture out, when bytes do not come.</summary>
public class PictureFilesTests
{
    private static readonly TimeSpan[] Waits = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_Fault_That_Passes_Costs_Waits_And_No_Picture(int failures)
    {
        using var folder = PictureFolders.Classes(3);
        var disk = new Disk { FailsAt = "001.png", Failures = failures };

        using var images = Packed.Pack(disk.Source(folder), PictureFolders.Small, folder["out/packed.tessera"]);

        (images.Count, images.Broken.Count).ShouldBe((3, 0));
        images.Pixels(1)[0].ShouldBe((byte)1);
        disk.Waited.ShouldBe(Waits[..failures]);
    }

    [Fact]
    public void A_Fault_That_Stays_Ends_Packing_And_Is_Told()
    {
        using var folder = PictureFolders.Classes(40);
        var disk = new Disk { FailsAt = "007.png", Failures = int.MaxValue };

        var error = Should.Throw<ImageAccessException>(() => Packed.Pack(disk.Source(folder), PictureFolders.Small, folder["out/packed.tessera"]));

        error.Message.ShouldBe(
            $"{folder["class0/007.png"]} could not be read in 3 tries (The network is down): see to the disk or the network that it lies on, then begin again.");
        error.InnerException.ShouldBeOfType<IOException>();
        disk.Waited.ShouldBe(Waits);
        Directory.GetFiles(folder["out"], "*").ShouldBeEmpty();
    }

    [Fact]
    public void A_File_That_Is_Shorter_Than_It_Was_Is_Read_Again_And_Not_Taken_For_A_Broken_One()
    {
        using var folder = PictureFolders.Classes(2);
        var disk = new Disk { FailsAt = "000.png", Failures = 1, CutsShort = true };

        using var images = Packed.Pack(disk.Source(folder), PictureFolders.Small, folder["out/packed.tessera"]);

        (images.Count, images.Broken.Count, disk.Waited.Count).ShouldBe((2, 0, 1));
    }

    [Fact]
    public void What_May_Not_Be_Read_Ends_Packing_At_Once()
    {
        using var folder = PictureFolders.Classes(2);
        var disk = new Disk { FailsAt = "001.png", Failures = int.MaxValue, Fault = () => new UnauthorizedAccessException("Access denied.") };

        Should.Throw<ImageAccessException>(() => Packed.Pack(disk.Source(folder), PictureFolders.Small, folder["out/packed.tessera"])).Message
            .ShouldBe($"{folder["class0/001.png"]} may not be read: change its permissions, or move it away.");
        disk.Waited.ShouldBeEmpty();
    }

    [Fact]
    public void A_File_That_Vanished_Or_A_Link_To_None_Ends_The_Work_And_Says_What_To_Do()
    {
        using var folder = PictureFolders.Classes(3);
        var listed = ImageSource.Open(folder.Path);
        File.Delete(folder["class0/002.png"]);
        Should.Throw<ImageAccessException>(() => Packed.Pack(listed, PictureFolders.Small, folder["out/packed.tessera"])).Message
            .ShouldBe($"{folder["class0/002.png"]} is not there: put it back, or begin again, so that the pictures are listed anew.");

        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links take privileges there.");
        File.CreateSymbolicLink(folder["class0/003.png"], "/nowhere/at/all.png");
        Should.Throw<ImageAccessException>(() => DataSetInspection.Inspect(ImageSource.Open(folder.Path), cancellation: TestContext.Current.CancellationToken)).Message
            .ShouldBe($"{folder["class0/003.png"]} is a link to /nowhere/at/all.png, which is not there: put that back, or remove the link.");
    }

    [Fact]
    public void A_Packing_That_Ended_Early_Is_Begun_Anew()
    {
        using var folder = PictureFolders.Classes(20);
        using var cache = new TemporaryFolder();
        var failing = new Disk { FailsAt = "013.png", Failures = int.MaxValue }.Source(folder);

        Should.Throw<ImageAccessException>(() => OpenOrPack(failing, cache));
        Directory.GetFiles(cache.Path).ShouldBeEmpty();

        string file;
        using (var whole = OpenOrPack(new Disk().Source(folder), cache))
        {
            (whole.WasReused, whole.Count, whole.Broken.Count).ShouldBe((false, 20, 0));
            file = whole.File;
        }
        File.Move(file, file + ".partial"); // what a kill leaves is no pack, however whole: the next writes over it
        using var again = OpenOrPack(new Disk().Source(folder), cache);
        (again.WasReused, File.Exists(file + ".partial")).ShouldBe((false, false));
    }

    [Fact]
    public void What_An_Earlier_Revision_Left_Out_Is_Looked_At_Again()
    {
        ImageDecoder.Agrees(ImageDecoder.Revision, leftSomeOut: true).ShouldBeTrue();
        ImageDecoder.Agrees(1, leftSomeOut: false).ShouldBeTrue(); // its pixels are the same
        ImageDecoder.Agrees(1, leftSomeOut: true).ShouldBeFalse(); // perhaps a network was down
        ImageDecoder.Agrees(ImageDecoder.Revision + 1, leftSomeOut: false).ShouldBeFalse();
    }

    [Fact]
    public void Streaming_Puts_No_Other_Picture_In_The_Place_Of_One_That_Cannot_Be_Read()
    {
        var down = false;
        var source = new NumberedPictures(40, failure: index => down && index == 3 ? new IOException("The network is down.") : null);
        using var images = StreamedImages.Open(source, PictureFolders.Small, seed: 1, cancellation: TestContext.Current.CancellationToken);
        var pixels = new byte[PictureFolders.Small.Pixels];

        down = true;
        Should.Throw<ImageAccessException>(() => images.Read(3, pixels)).Message
            .ShouldBe("numbers, picture 3, could not be read (The network is down): see to where it lies, then begin again.");
        images.Broken.ShouldBeEmpty();
        down = false;
        images.Read(3, pixels);

        pixels.ShouldAllBe(value => value == 3);
    }

    /// <remarks>To open one waits until somebody writes into it.</remarks>
    [Fact]
    public void A_Pipe_Is_A_Broken_Picture_And_Is_Not_Waited_For()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "Windows has no pipes among its files.");
        using var folder = new TemporaryFolder();
        var pipe = folder["pipe.png"];
        mkfifo(pipe, 0x1a4).ShouldBe(0); // rw-r--r--

        Should.Throw<BrokenImageException>(() => PictureFiles.OfSystem.Read(pipe, "pipe.png")).Message.ShouldContain("is a pipe or a device, not a file");
    }

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int mkfifo([System.Runtime.InteropServices.MarshalAs(System.Runtime.InteropServices.UnmanagedType.LPUTF8Str)] string path, int mode);

    [Fact]
    public void Every_Work_On_Many_Pictures_Ends_With_The_One_That_Failed()
    {
        using var folder = new TemporaryFolder();
        var cancellation = TestContext.Current.CancellationToken;
        var source = new NumberedPictures(40, failure: index => index == 3 ? new UnauthorizedAccessException("No.") : null);
        Action[] works =
        [
            () => Packed.Pack(source, PictureFolders.Small, folder["packed.tessera"]),
            () => StreamedImages.Open(source, PictureFolders.Small, seed: 1, cancellation: cancellation),
            () => DataSetInspection.Inspect(source, cancellation: cancellation),
        ];
        foreach (var work in works) Should.Throw<ImageAccessException>(work).Name.ShouldBe("numbers, picture 3,");
    }

    private static PackedImages OpenOrPack(ImageSource source, TemporaryFolder cache) =>
        PackedImages.OpenOrPack(source, PictureFolders.Small, cache.Path, progress: null, TestContext.Current.CancellationToken);

    /// <summary>A disk that fails at one file as often as it is told, and remembers how long was waited for it.</summary>
    private sealed class Disk
    {
        private int failed;

        public string? FailsAt { get; init; }

        public int Failures { get; init; }

        public Func<Exception> Fault { get; init; } = () => new IOException("The network is down.");

        /// <summary>It opens the file and gives half of it, in place of failing.</summary>
        public bool CutsShort { get; init; }

        public List<TimeSpan> Waited { get; } = [];

        public ImageSource Source(TemporaryFolder folder) =>
            FolderLayouts.Open(folder.Path, new PictureFiles(Open, Waits, Waited.Add), new SourceOpening(null, null, TestContext.Current.CancellationToken));

        private Stream Open(string file)
        {
            var fails = FailsAt is not null && file.EndsWith(FailsAt, StringComparison.Ordinal) && failed < Failures;
            if (!fails) return File.OpenRead(file);
            failed++;
            return CutsShort ? new ShorterThanItSays(File.ReadAllBytes(file)) : throw Fault();
        }
    }

    private sealed class ShorterThanItSays(byte[] whole) : MemoryStream(whole, 0, whole.Length / 2)
    {
        public override long Length { get; } = whole.Length;
    }
}
