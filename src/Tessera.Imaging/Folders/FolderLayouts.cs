using Tessera.Imaging.Containers;

namespace Tessera.Imaging.Folders;

/// <summary>Recognises how a folder of pictures is laid out.</summary>
/// <remarks>
/// In this order: Tiny-ImageNet's layout; a <c>train</c> folder, with <c>val</c>, <c>valid</c>, <c>validation</c> or <c>test</c> (the first of them that
/// holds pictures) beside it as the test split where there is one; pictures directly in the folder and at most one folder of them below it, which makes it
/// flat (that folder's name means nothing); else one folder per class, where pictures beside these have no label. A folder that holds one folder and nothing else is looked through.
/// <c>train</c> is a split only where every folder beside it that holds pictures is called like a split, in whatever case: among <c>car</c> and
/// <c>dog</c> it is a class, and no class is passed over for the name of another.
/// </remarks>
internal static class FolderLayouts
{
    private const string TrainingFolder = "train";

    private static readonly string[] TestFolders = ["val", "valid", "validation", "test"];

    /// <param name="folder">The folder.</param>
    /// <param name="files">Reads the pictures.</param>
    /// <param name="opening">How files that hold many pictures each are opened, where the folder holds no others.</param>
    /// <exception cref="ImageSourceException">The folder may not be read, makes no sense, or holds no pictures.</exception>
    public static ImageSource Open(string folder, PictureFiles files, SourceOpening opening)
    {
        var root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        try
        {
            var contents = Recognise(root);
            if (!contents.IsEmpty)
                return contents.ToSource(files);
            return ContainerFiles.InFolder(root, opening) ?? throw new ImageSourceException(
                $"{root} holds no pictures ({PictureFolder.ExtensionList}, .tar shards, Parquet or CIFAR's files): name the folder that holds them.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ImageSourceException($"{root} cannot be read: {error.Message.TrimEnd('.')}.", error);
        }
    }

    private static FolderContents Recognise(string root)
    {
        if (TinyImageNetLayout.IsListed(root))
            return TinyImageNetLayout.Read(root);
        var folders = PictureFolder.Subfolders(root);
        var classes = folders.FindAll(folder => !IsSplit(folder));
        if (folders.Find(folder => IsCalled(folder, TrainingFolder)) is { } train && !classes.Exists(PictureFolder.HoldsPictures))
        {
            if (TinyImageNetLayout.Matches(root))
                return TinyImageNetLayout.Read(root);
            var splits = folders.FindAll(PictureFolder.HoldsPictures);
            var test = TestFolders.Select(name => Split(root, splits, name)).FirstOrDefault(found => found is not null);
            return ClassesOrFlat(root, Split(root, splits, TrainingFolder) ?? train, test);
        }

        var pictures = PictureFolder.Pictures(root, root, recurse: false);
        if (pictures.Count == 0 && folders is [var only])
            return Recognise(only);
        return ClassesOrFlat(root, root, test: null);
    }

    private static bool IsSplit(string folder) => IsCalled(folder, TrainingFolder) || TestFolders.Any(name => IsCalled(folder, name));

    private static bool IsCalled(string folder, string name) => name.Equals(Path.GetFileName(folder), StringComparison.OrdinalIgnoreCase);

    private static string? Split(string root, List<string> folders, string name) =>
        folders.FindAll(folder => IsCalled(folder, name)) switch
        {
            [] => null,
            [var only] => only,
            [var first, var second, ..] => throw new ImageSourceException(
                $"{root} has two folders for one split, {Path.GetFileName(first)} and {Path.GetFileName(second)}: rename or merge them."),
        };

    private static FolderContents ClassesOrFlat(string root, string training, string? test)
    {
        var loose = PictureFolder.Pictures(root, training, recurse: false);
        // Pictures beside one folder of them are one heap; beside several, they are those that nobody has sorted yet.
        var isFlat = loose.Count > 0 && PictureFolder.Subfolders(training).Count(PictureFolder.HoldsPictures) < 2;
        return isFlat ? Flat(root, training, test) : ClassFolders(root, training, test, loose);
    }

    private static FolderContents Flat(string root, string training, string? test)
    {
        var contents = new FolderContents("flat folder", root);
        contents.AddTraining(PictureFolder.Pictures(root, training, recurse: true), label: -1);
        if (test is not null)
            contents.AddTest(PictureFolder.Pictures(root, test, recurse: true), label: -1);
        return contents;
    }

    private static FolderContents ClassFolders(string root, string training, string? test, List<FoundPicture> loose)
    {
        var contents = new FolderContents("one folder per class", root);
        var names = new List<string>();
        var folders = PictureFolder.Subfolders(training);
        foreach (var (folder, pictures) in folders.Zip(PictureFolder.PicturesBelow(root, folders)))
        {
            if (pictures.Count == 0)
                continue;
            contents.AddTraining(pictures, names.Count);
            names.Add(Path.GetFileName(folder));
        }
        contents.AddTraining(loose, label: -1);
        contents.SetClasses(names, names);
        if (test is not null)
            AddTestClasses(contents, names, training, test);
        return contents;
    }

    private static void AddTestClasses(FolderContents contents, List<string> names, string training, string test)
    {
        var folders = PictureFolder.Subfolders(test);
        foreach (var (folder, pictures) in folders.Zip(PictureFolder.PicturesBelow(contents.Root, folders)))
        {
            var label = names.IndexOf(Path.GetFileName(folder));
            if (label < 0 && pictures.Count > 0)
                throw new ImageSourceException($"{folder} holds pictures of a class that {training} does not have: rename or remove it.");
            contents.AddTest(pictures, label);
        }
        if (PictureFolder.Pictures(contents.Root, test, recurse: false) is [var stray, ..])
            throw new ImageSourceException(
                $"{Path.Join(contents.Root, stray.Name)} lies outside the class folders of {test}: move it into one, or away.");
    }
}
