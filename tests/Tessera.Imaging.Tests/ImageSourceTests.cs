using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class ImageSourceTests
{
    [Fact]
    public void A_Full_Name_Holds_From_Any_Folder()
    {
        using var folder = PictureFolders.TinyImageNet();
        ImageSource.FullName(Path.GetRelativePath(Environment.CurrentDirectory, folder.Path)).ShouldBe(folder.Path);
        ImageSource.FullName("shapes:20").ShouldBe("shapes:20");
        ImageSource.FullName("not/there").ShouldBe("not/there");
    }

    [Fact]
    public void Recognises_The_Layout_Of_Tiny_ImageNet()
    {
        using var folder = PictureFolders.TinyImageNet();

        var source = ImageSource.Open(folder.Path);

        source.Kind.ShouldBe("Tiny-ImageNet layout");
        source.Location.ShouldBe(folder.Path);
        source.ClassNames.ShouldBe(["n03", "n01", "n02"]); // as wnids.txt has them
        source.ClassTitles.ShouldBe(["bullfrog", "goldfish, Carassius auratus", "n02"]);
        source.Entries.ShouldBe(
        [
            new("train/n03/images/n03_0.JPEG", 0, false), new("train/n03/images/n03_1.JPEG", 0, false),
            new("train/n01/images/n01_0.JPEG", 1, false), new("train/n01/images/n01_1.JPEG", 1, false),
            new("train/n02/images/n02_0.JPEG", 2, false), new("train/n02/images/n02_1.JPEG", 2, false),
            new("val/images/val_0.JPEG", 2, true), new("val/images/val_1.JPEG", 2, true), new("val/images/val_2.JPEG", 0, true),
        ]);
    }

    [Fact]
    public void Sorts_The_Classes_Where_No_List_Orders_Them()
    {
        using var folder = PictureFolders.TinyImageNet();
        File.Delete(folder["wnids.txt"]);
        ImageSource.Open(folder.Path).ClassNames.ShouldBe(["n01", "n02", "n03"]);
    }

    [Theory]
    [InlineData("val_0.JPEG\n", "line 1: a picture's file name, a tab and its class are expected.")]
    [InlineData("val_0.JPEG\tn01\nval_9.JPEG\tn01\n", "line 2: there is no picture val_9.JPEG in val/images.")]
    [InlineData("val_0.JPEG\tn01\nval_1.JPEG\tn77\n", "line 2: n77 is not one of the 3 classes.")]
    [InlineData("val_0.JPEG\tn01\nval_0.JPEG\tn01\n", "line 2: val_0.JPEG has a line already.")]
    [InlineData("val_0.JPEG\tn01\nval_2.JPEG\tn01\n", "has no line for val_1.JPEG: add one, or remove the picture.")]
    public void Names_The_Line_Of_An_Annotation_That_Makes_No_Sense(string annotations, string problem)
    {
        using var folder = PictureFolders.TinyImageNet();
        var file = folder.Write("val/val_annotations.txt", annotations);
        var message = Refusal(folder.Path);
        message.ShouldStartWith(file);
        message.ShouldEndWith(problem);
    }

    [Theory]
    [InlineData("n01\nn02\nn02\n", "line 3: the class n02 is listed twice.")]
    [InlineData("n01\n../n02\n", "line 2: \"../n02\" is not the name of a class folder.")]
    [InlineData("n01\nn02\n", "wnids.txt does not list: add a line to it, or remove the folder.")]
    public void Names_The_Line_Of_A_Class_List_That_Makes_No_Sense(string list, string problem)
    {
        using var folder = PictureFolders.TinyImageNet();
        folder.Write("wnids.txt", list);
        Refusal(folder.Path).ShouldEndWith(problem);
    }

    [Fact]
    public void Refuses_Test_Pictures_Without_Their_Annotations()
    {
        using var folder = PictureFolders.TinyImageNet();
        File.Delete(folder["val/val_annotations.txt"]);
        Refusal(folder.Path).ShouldContain("val_annotations.txt is not there: without it the pictures in");
    }

    [Fact]
    public void Recognises_One_Folder_Per_Class()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("dogs/b.png");
        folder.AddPicture("dogs/more/a.PNG");
        folder.AddPicture("Cats/c.Jpg");
        folder.AddPicture("empty/.hidden.png");
        folder.AddPicture(".cache/thumbnail.png");
        folder.Write("dogs/readme.txt", "no picture");

        var source = ImageSource.Open(folder.Path);

        source.Kind.ShouldBe("one folder per class");
        source.ClassNames.ShouldBe(["Cats", "dogs"]);
        source.ClassTitles.ShouldBe(source.ClassNames);
        source.Entries.ShouldBe([new("Cats/c.Jpg", 0, false), new("dogs/b.png", 1, false), new("dogs/more/a.PNG", 1, false)]);
    }

    [Theory]
    [InlineData("val")]
    [InlineData("valid")]
    [InlineData("validation")]
    [InlineData("test")]
    public void Takes_Class_Folders_Below_Train_And_A_Test_Split_Beside_It(string split)
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("train/dog/a.png");
        folder.AddPicture("train/cat/b.png");
        folder.AddPicture($"{split}/dog/c.png");

        var source = ImageSource.Open(folder.Path);

        source.Kind.ShouldBe("one folder per class");
        source.Entries.ShouldBe([new("train/cat/b.png", 0, false), new("train/dog/a.png", 1, false), new($"{split}/dog/c.png", 1, true)]);
    }

    [Theory]
    [InlineData("train")]
    [InlineData("test")]
    [InlineData("Val")]
    public void A_Split_Name_Among_Class_Folders_Is_A_Class(string name)
    {
        using var folder = new TemporaryFolder();
        foreach (var one in new[] { "car", "dog", name }) folder.AddPicture($"{one}/a.png");

        var source = ImageSource.Open(folder.Path);

        source.ClassNames.ShouldBe(new[] { "car", "dog", name }.Order(StringComparer.Ordinal));
        source.Entries.ShouldAllBe(entry => !entry.IsTest);
        source.Entries.Select(entry => entry.Name).ShouldBe(source.ClassNames.Select(one => $"{one}/a.png"));
    }

    [Fact]
    public void Class_Folders_Of_Train_And_Test_With_Pictures_In_A_Folder_Called_Images_Are_No_Tiny_ImageNet()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "boat", "train" }) folder.AddPicture($"{name}/steam/images/a.png");
        ImageSource.Open(folder.Path).ClassNames.ShouldBe(["boat", "train"]);
    }

    [Fact]
    public void Folders_Without_Visible_Pictures_Leave_Train_And_Validation_What_They_Are()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("Train/dog/a.png");
        folder.AddPicture("VALIDATION/dog/b.png");
        folder.AddPicture("test/c.png");
        folder.AddPicture(".cache/d.png");
        folder.AddPicture("papers/.e.png");
        folder.Write("annotations/dog/labels.txt", "no picture");

        var source = ImageSource.Open(folder.Path);

        source.ClassNames.ShouldBe(["dog"]);
        source.Entries.ShouldBe([new("Train/dog/a.png", 0, false), new("VALIDATION/dog/b.png", 0, true)]); // test beside it is left alone
    }

    [Fact]
    public void Refuses_Two_Folders_That_Are_Both_The_Training_Split()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("train/dog/a.png");
        if (Directory.Exists(folder["TRAIN"])) return; // this disk tells no case apart
        Directory.CreateDirectory(folder["Train"]);
        ImageSource.Open(folder.Path).ClassNames.ShouldBe(["dog"]); // of the two, one holds pictures
        folder.AddPicture("Train/cat/b.png");
        Refusal(folder.Path).ShouldBe($"{folder.Path} has two folders for one split, Train and train: rename or merge them.");
    }

    [Fact]
    public void Refuses_A_Test_Class_That_Training_Does_Not_Have()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("train/dog/a.png");
        folder.AddPicture("val/wolf/c.png");
        Refusal(folder.Path).ShouldEndWith("holds pictures of a class that " + folder["train"] + " does not have: rename or remove it.");
    }

    [Fact]
    public void Recognises_A_Flat_Folder_And_Reads_The_Folders_Below_It()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("b.webp");
        folder.AddPicture("a.gif");
        folder.AddPicture("holiday/c.BMP");
        folder.AddPicture("holiday/d.jpeg");

        var source = ImageSource.Open(folder.Path);

        source.Kind.ShouldBe("flat folder");
        source.ClassNames.ShouldBeEmpty();
        source.Entries.ShouldBe([new("a.gif", -1, false), new("b.webp", -1, false), new("holiday/c.BMP", -1, false), new("holiday/d.jpeg", -1, false)]);
    }

    [Fact]
    public void Pictures_Beside_Folders_Of_Classes_Have_No_Label()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("loose.png");
        folder.AddPicture("cats/a.png");
        folder.AddPicture("dogs/b.png");

        var source = ImageSource.Open(folder.Path);

        source.Kind.ShouldBe("one folder per class");
        source.ClassNames.ShouldBe(["cats", "dogs"]);
        source.Entries.ShouldBe([new("cats/a.png", 0, false), new("dogs/b.png", 1, false), new("loose.png", -1, false)]);
    }

    [Fact]
    public void Looks_Through_A_Folder_That_Holds_Nothing_But_A_Folder()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("unpacked/cats/a.png");
        folder.AddPicture("unpacked/dogs/b.png");
        var source = ImageSource.Open(folder.Path);
        source.Location.ShouldBe(folder["unpacked"]);
        source.Entries.ShouldBe([new("cats/a.png", 0, false), new("dogs/b.png", 1, false)]);
    }

    [Fact]
    public void Reads_The_Picture_That_An_Entry_Names()
    {
        using var folder = PictureFolders.Classes(2, 1);
        var source = ImageSource.Open(folder.Path);
        var pixels = new byte[PictureFolders.Small.Pixels];

        source.Read(2, PictureFolders.Small, pixels);

        pixels.ShouldBe([.. Enumerable.Repeat((byte)2, 16), .. Enumerable.Repeat((byte)253, 16), .. Enumerable.Repeat((byte)7, 16)]);
        source.Examine(2).ShouldBe(new ImageFacts(4, 4, 3, "PNG"));
    }

    [Fact]
    public void Says_What_Is_Wrong_With_A_Source()
    {
        using var folder = new TemporaryFolder();
        Refusal(folder["absent"]).ShouldBe($"There is no folder or file {folder["absent"]}: name a folder of pictures, a .tessera file, tar shards, Parquet files, or shapes.");
        Refusal(folder.Path).ShouldBe($"{folder.Path} holds no pictures (jpg, jpeg, png, webp, bmp, gif, .tar shards, Parquet or CIFAR's files): name the folder that holds them.");
        Refusal(folder.Write("notes.txt", "")).ShouldContain("is a file, not a source");
        Refusal(" ").ShouldBe("The source is empty: name a folder of pictures, a .tessera file, tar shards, Parquet files, or shapes.");
    }

    [Fact]
    public void The_Fingerprint_Stands_While_Nothing_Changes()
    {
        using var folder = PictureFolders.Classes(2, 2);
        ImageSource.Open(folder.Path).Fingerprint.ShouldBe(ImageSource.Open(folder.Path).Fingerprint);
    }

    [Fact]
    public void The_Fingerprint_Is_That_Of_A_Copy_Elsewhere()
    {
        using var first = PictureFolders.Classes(1, 1);
        using var second = PictureFolders.Classes(1, 1);
        foreach (var name in new[] { "class0/000.png", "class1/000.png" })
            File.SetLastWriteTimeUtc(second[name], File.GetLastWriteTimeUtc(first[name]));
        ImageSource.Open(second.Path).Fingerprint.ShouldBe(ImageSource.Open(first.Path).Fingerprint);
    }

    [Theory]
    [InlineData("renamed")]
    [InlineData("moved to another class")]
    [InlineData("touched")]
    [InlineData("longer")]
    [InlineData("added")]
    public void The_Fingerprint_Changes_With_The_Pictures(string change)
    {
        using var folder = PictureFolders.Classes(2, 2);
        var before = ImageSource.Open(folder.Path).Fingerprint;
        var file = folder["class0/000.png"];
        var time = File.GetLastWriteTimeUtc(file);
        switch (change)
        {
            case "renamed": File.Move(file, folder["class0/first.png"]); break;
            case "moved to another class": File.Move(file, folder["class1/zzz.png"]); break;
            case "touched": File.SetLastWriteTimeUtc(file, time.AddSeconds(1)); break;
            case "longer":
                File.AppendAllText(file, " ");
                File.SetLastWriteTimeUtc(file, time);
                break;
            default: folder.AddPicture("class1/002.png"); break;
        }
        ImageSource.Open(folder.Path).Fingerprint.ShouldNotBe(before);
    }

    private static string Refusal(string source) => Should.Throw<ImageSourceException>(() => ImageSource.Open(source)).Message;
}
