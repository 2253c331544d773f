using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class CifarSourceTests
{
    private static readonly ImageShape Stored = new(3, 32, 32);

    [Fact]
    public void Cifar_10_Gives_Its_Pixels_As_They_Are_And_Holds_Its_Test_File_Out()
    {
        using var folder = ContainerBytes.Cifar10();

        using var images = Packed.Pack(ImageSource.Open(folder.Path), Stored, folder["out/packed.tessera"]);

        (images.SourceKind, images.SourceLocation, images.TestStart, images.Count).ShouldBe(("CIFAR-10 binary", folder.Path, 8, 12));
        images.ClassNames.ShouldBe(["airplane", "automobile", "bird"]);
        images.Labels.ToArray().ShouldBe([0, 1, 2, 0, 1, 1, 2, 2, 2, 1, 0, 0]);
        (images.Name(0), images.Name(5), images.Name(8)).ShouldBe(("data_batch_1.bin/00000", "data_batch_2.bin/00001", "test_batch.bin/00000"));
        for (var i = 0; i < 12; i++) images.Pixels(i).ToArray().ShouldBe(ContainerBytes.CifarPixels(i));
    }

    [Fact]
    public void Cifar_100_Is_Labelled_By_Its_Classes_And_Not_By_Its_Superclasses()
    {
        using var folder = new TemporaryFolder();
        folder.Write("set/fine_label_names.txt", "apple\naquarium_fish\nbaby\n");
        folder.Write("set/coarse_label_names.txt", "aquatic_mammals\nfish\n");
        folder.Write("set/train.bin", ContainerBytes.CifarFile(0, [1, 2], [0, 1], [1, 0]));
        folder.Write("set/test.bin", ContainerBytes.CifarFile(3, [0, 1]));

        using var images = Packed.Pack(ImageSource.Open(folder.Path), Stored, folder["out/packed.tessera"]); // the folder that holds it, and nothing else, will do

        (images.SourceKind, images.SourceLocation, images.TestStart).ShouldBe(("CIFAR-100 binary", folder["set"], 3));
        images.Labels.ToArray().ShouldBe([2, 1, 0, 1]);
        images.ClassNames.ShouldBe(["apple", "aquarium_fish", "baby"]);
        images.Pixels(3).ToArray().ShouldBe(ContainerBytes.CifarPixels(3));
    }

    [Fact]
    public void Another_Shape_Is_Resized_As_Packed_Pictures_Are()
    {
        using var folder = ContainerBytes.Cifar10();
        using var packed = Packed.Pack(ImageSource.Open(folder.Path), Stored, folder["out/packed.tessera"]);
        var shape = new ImageShape(1, 20, 48);
        var (ofCifar, ofPacked) = (new byte[shape.Pixels], new byte[shape.Pixels]);

        ImageSource.Open(folder.Path).Read(7, shape, ofCifar);
        ImageSource.Open(packed.File).Read(7, shape, ofPacked);

        ofCifar.ShouldBe(ofPacked);
    }

    [Fact]
    public void Is_Inspected_And_Streamed_As_Folders_Are()
    {
        using var folder = ContainerBytes.Cifar10();

        var report = DataSetInspection.Inspect(ImageSource.Open(folder.Path), cancellation: TestContext.Current.CancellationToken);
        using var streamed = StreamedImages.Open(folder.Path, Stored, seed: 1, cancellation: TestContext.Current.CancellationToken);

        (report.Training, report.Test, report.Broken.Count).ShouldBe((8, 4, 0));
        report.Formats.ShouldBe(new Dictionary<string, int> { ["pixels"] = 12 });
        report.Width.ShouldBe(new SizeRange(32, 32, 32));
        var pixels = new byte[Stored.Pixels];
        streamed.Read(9, pixels);
        pixels.ShouldBe(ContainerBytes.CifarPixels(9));
    }

    [Fact]
    public void Says_What_Is_Wrong_With_A_File()
    {
        using var folder = ContainerBytes.Cifar10();
        folder.Write("data_batch_2.bin", new byte[3073 * 2 + 100]);
        Refusal(folder).ShouldBe(
            $"{folder["data_batch_2.bin"]} has 6246 bytes, which is no multiple of the 3073 that a picture takes in CIFAR-10 binary: it is cut short or something else; get it anew.");

        folder.Write("data_batch_2.bin", "");
        Refusal(folder).ShouldBe($"{folder["data_batch_2.bin"]} is empty, or no file at all: get it anew, or move it away.");

        folder.Write("data_batch_2.bin", ContainerBytes.CifarFile(4, [1], [3]));
        Refusal(folder).ShouldBe($"{folder["data_batch_2.bin"]}, picture 1: its label is 3, and batches.meta.txt names 3 classes, 0 to 2.");

        folder.Write("batches.meta.txt", "a\nb\nc\na\n");
        Refusal(folder).ShouldBe($"{folder["batches.meta.txt"]} names the class a twice.");

        File.Delete(folder["batches.meta.txt"]);
        Refusal(folder).ShouldBe($"{folder["batches.meta.txt"]} is not there, which names the classes of CIFAR-10 binary: put it back.");
    }

    [Fact]
    public void Its_Fingerprint_Changes_With_A_File_And_Not_With_The_Place()
    {
        using var folder = ContainerBytes.Cifar10();
        var before = ImageSource.Open(folder.Path).Fingerprint;
        var moved = folder["elsewhere/set"];
        Directory.CreateDirectory(moved);
        foreach (var file in Directory.GetFiles(folder.Path)) File.Copy(file, Path.Join(moved, Path.GetFileName(file))); // copies keep their times

        ImageSource.Open(moved).Fingerprint.ShouldBe(before);
        File.SetLastWriteTimeUtc(Path.Join(moved, "test_batch.bin"), DateTime.UnixEpoch);
        ImageSource.Open(moved).Fingerprint.ShouldNotBe(before);
    }

    private static string Refusal(TemporaryFolder folder) => Should.Throw<ImageSourceException>(() => ImageSource.Open(folder.Path)).Message;
}
