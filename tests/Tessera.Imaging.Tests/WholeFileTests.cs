using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public sealed class WholeFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Place => folder["file.bin"];

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(true, 100_000)] // more than is written: what was reserved is given back
    [InlineData(true, 2)]
    public void Replaces_A_File_When_The_New_One_Is_Whole(bool lasts, long size)
    {
        folder.Write("file.bin", "the old one, which is longer");

        WholeFile.Write(
            Place,
            stream =>
            {
                stream.Write("new "u8);
                stream.Flush();
                File.ReadAllText(Place).ShouldBe("the old one, which is longer");
                stream.Write("one"u8);
            },
            size, lasts);

        File.ReadAllText(Place).ShouldBe("new one");
        ShouldHold("file.bin");
    }

    [Fact]
    public void Leaves_Nothing_Behind_Where_Writing_Fails()
    {
        var failure = new InvalidOperationException("on the way");
        Should.Throw<InvalidOperationException>(() => WholeFile.Write(Place, stream =>
        {
            stream.Write(new byte[10_000]);
            throw failure;
        })).ShouldBeSameAs(failure);
        ShouldHold();
    }

    [Fact]
    public void Leaves_The_Old_File_As_It_Is_Where_Writing_Fails()
    {
        folder.Write("file.bin", "old");
        Should.Throw<InvalidOperationException>(() => WholeFile.Write(Place, stream =>
        {
            stream.Write("new"u8);
            throw new InvalidOperationException("on the way");
        }));
        File.ReadAllText(Place).ShouldBe("old");
        ShouldHold("file.bin");
    }

    /// <summary>Where one of two files that belong together cannot be written, both stay: the old one beside the new would be another's.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Two_That_Belong_Together_Are_Replaced_Together_Or_Not_At_All(bool failsBeside)
    {
        folder.Write("file.bin", "old");
        folder.Write("beside.json", "of the old");

        Should.Throw<InvalidOperationException>(() => WholeFile.WriteTogether((Place, stream => Write(stream, !failsBeside)), (folder["beside.json"], stream => Write(stream, failsBeside))));
        (File.ReadAllText(Place), File.ReadAllText(folder["beside.json"])).ShouldBe(("old", "of the old"));
        ShouldHold("beside.json", "file.bin");

        WholeFile.WriteTogether((Place, stream => stream.Write("new"u8)), (folder["beside.json"], stream => stream.Write("of the new"u8)));
        (File.ReadAllText(Place), File.ReadAllText(folder["beside.json"])).ShouldBe(("new", "of the new"));
        ShouldHold("beside.json", "file.bin");

        Should.Throw<IOException>(() => WholeFile.WriteTogether((Place, stream => stream.Write("newer"u8)), (folder["beside.json"], _ => throw new IOException("It is full."))))
            .Message.ShouldBe($"{folder["beside.json"]} cannot be written: It is full.");

        static void Write(FileStream stream, bool fails)
        {
            stream.Write("half"u8);
            if (fails) throw new InvalidOperationException("on the way");
        }
    }

    [Fact]
    public void Writes_Text_In_Utf8_Without_A_Byte_Order_Mark()
    {
        WholeFile.Write(Place, "Größe: 3×64×64\n");
        File.ReadAllBytes(Place).ShouldBe([0x47, 0x72, 0xC3, 0xB6, 0xC3, 0x9F, 0x65, 0x3A, 0x20, 0x33, 0xC3, 0x97, 0x36, 0x34, 0xC3, 0x97, 0x36, 0x34, 0x0A]);
        WholeFile.Write(Place, "");
        new FileInfo(Place).Length.ShouldBe(0);
    }

    [Fact]
    public void Lets_What_Was_Written_Be_Read_Again_On_The_Way()
    {
        WholeFile.Write(Place, stream =>
        {
            RandomAccess.Write(stream.SafeFileHandle, "abc"u8, 0);
            var read = new byte[3];
            RandomAccess.Read(stream.SafeFileHandle, read, 0).ShouldBe(3);
            RandomAccess.Write(stream.SafeFileHandle, read, 3);
        });
        File.ReadAllText(Place).ShouldBe("abcabc");
    }

    [Fact]
    public void Replaces_What_A_Kill_Left()
    {
        folder.Write("file.bin.partial", "half of something longer");
        WholeFile.Write(Place, "whole");
        File.ReadAllText(Place).ShouldBe("whole");
        ShouldHold("file.bin");
    }

    [Fact]
    public void Refuses_The_Second_Of_Two_Writers_And_Lets_The_First_Finish()
    {
        WholeFile.Write(Place, stream =>
        {
            stream.Write("fir"u8);
            stream.Flush();
            Should.Throw<IOException>(() => WholeFile.Write(Place, "second"));
            stream.Write("st"u8);
        });
        File.ReadAllText(Place).ShouldBe("first");
        ShouldHold("file.bin");
    }

    [Fact]
    public void Leaves_Nothing_Behind_Where_The_Place_Is_Taken_By_A_Folder()
    {
        Directory.CreateDirectory(folder["file.bin/inside"]);
        var error = Should.Throw<Exception>(() => WholeFile.Write(Place, "text"));
        (error is IOException or UnauthorizedAccessException).ShouldBeTrue(error.ToString());
        ShouldHold("file.bin");
    }

    [Fact]
    public void Says_What_To_Do_About_A_Full_Disk()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "Linux has a device that is always full.");

        Should.Throw<IOException>(() => WholeFile.Write(Place, _ =>
        {
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            full.Write("text"u8);
        })).Message.ShouldBe("its disk has no room left: free some, or choose another folder");
        ShouldHold();
        Should.Throw<IOException>(() => WholeFile.Write(Place, _ => { }, size: 1L << 60)).Message
            .ShouldBe("there is no room for its 1152921504606.8 MB: free some, or choose another folder");
        ShouldHold();
    }

    private void ShouldHold(params string[] names) =>
        Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).ShouldBe(names);
}
