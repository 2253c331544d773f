using System.Formats.Tar;
using System.Text;

namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>Files that hold many pictures each, written by hand.</summary>
internal static class ContainerBytes
{
    /// <summary>CIFAR's pixels of a picture: the value at (channel, row, column) says where it stands.</summary>
    public static byte[] CifarPixels(int number) => [.. Enumerable.Range(0, 3 * 32 * 32).Select(i => (byte)(i * 7 + i / 32 * 3 + number * 11))];

    /// <summary>Records of CIFAR's binary layouts: the bytes of labels, then the pixels of a picture of that number.</summary>
    public static byte[] CifarFile(int firstNumber, params byte[][] labels) =>
        [.. labels.SelectMany((label, i) => label.Concat(CifarPixels(firstNumber + i)))];

    /// <summary>Twelve pictures: two batches of four and a test batch.</summary>
    public static TemporaryFolder Cifar10()
    {
        var folder = new TemporaryFolder();
        folder.Write("batches.meta.txt", "airplane\nautomobile\nbird\n\n");
        folder.Write("data_batch_1.bin", CifarFile(0, [0], [1], [2], [0]));
        folder.Write("data_batch_2.bin", CifarFile(4, [1], [1], [2], [2]));
        folder.Write("test_batch.bin", CifarFile(8, [2], [1], [0], [0]));
        folder.Write("readme.html", "<p>");
        return folder;
    }

    /// <summary>A tar file of members, in their order.</summary>
    public static byte[] Tar(TarEntryFormat format, params (string Name, byte[] Content)[] members)
    {
        using var bytes = new MemoryStream();
        using (var writer = new TarWriter(bytes, format, leaveOpen: true))
        {
            foreach (var (name, content) in members) writer.WriteEntry(Entry(format, name, content));
        }
        return bytes.ToArray();
    }

    public static byte[] Tar(params (string Name, byte[] Content)[] members) => Tar(TarEntryFormat.Ustar, members);

    public static (string, byte[]) Member(string name, byte[] content) => (name, content);

    public static (string, byte[]) Member(string name, string content) => (name, Encoding.UTF8.GetBytes(content));

    private static TarEntry Entry(TarEntryFormat format, string name, byte[] content)
    {
        TarEntry entry = format switch
        {
            TarEntryFormat.Pax => new PaxTarEntry(TarEntryType.RegularFile, name),
            TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name),
            TarEntryFormat.V7 => new V7TarEntry(TarEntryType.V7RegularFile, name),
            _ => new UstarTarEntry(TarEntryType.RegularFile, name),
        };
        entry.DataStream = new MemoryStream(content);
        entry.ModificationTime = DateTimeOffset.UnixEpoch;
        return entry;
    }
}
