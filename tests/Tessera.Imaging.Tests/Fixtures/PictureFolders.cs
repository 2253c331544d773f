using SkiaSharp;

namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>Small folders of one-colour pictures.</summary>
internal static class PictureFolders
{
    public static readonly ImageShape Small = new(3, 4, 4);

    public static void AddPicture(this TemporaryFolder folder, string name, byte shade = 100) =>
        folder.Write(name, Encoded.Png(4, 4, new SKColor(shade, (byte)(255 - shade), 7)));

    /// <summary>Three classes that wnids.txt lists in an order of its own, two training pictures each, three test pictures.</summary>
    public static TemporaryFolder TinyImageNet()
    {
        var folder = new TemporaryFolder();
        folder.Write("wnids.txt", "n03\nn01\nn02\n");
        folder.Write("words.txt", "n00\tentity\nn01\tgoldfish, Carassius auratus\nn03\tbullfrog\n");
        foreach (var name in new[] { "n01", "n02", "n03" })
        {
            folder.AddPicture($"train/{name}/images/{name}_0.JPEG");
            folder.AddPicture($"train/{name}/images/{name}_1.JPEG");
            folder.Write($"train/{name}/{name}_boxes.txt", "n01_0.JPEG\t0\t0\t4\t4\n");
        }
        for (var i = 0; i < 3; i++)
            folder.AddPicture($"val/images/val_{i}.JPEG");
        folder.Write("val/val_annotations.txt", "val_0.JPEG\tn02\t0\t0\t4\t4\nval_2.JPEG\tn03\t0\t0\t4\t4\nval_1.JPEG\tn02\t0\t0\t4\t4\n");
        folder.AddPicture("test/images/test_0.JPEG");
        return folder;
    }

    /// <summary>Pictures in class folders; the shade of each is its number.</summary>
    public static TemporaryFolder Classes(params int[] sizes)
    {
        var folder = new TemporaryFolder();
        byte shade = 0;
        for (var label = 0; label < sizes.Length; label++)
        {
            for (var i = 0; i < sizes[label]; i++)
                folder.AddPicture($"class{label}/{i:D3}.png", shade++);
        }
        return folder;
    }
}
