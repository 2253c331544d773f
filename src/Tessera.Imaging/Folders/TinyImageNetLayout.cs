namespace Tessera.Imaging.Folders;

/// <summary>
/// Tiny-ImageNet's own layout: <c>train/WNID/images/*.JPEG</c>, <c>val/images/*.JPEG</c> labelled by
/// <c>val/val_annotations.txt</c>, the order of classes in <c>wnids.txt</c>, their titles in <c>words.txt</c>.
/// </summary>
/// <remarks>val is the test split; <c>test/</c> has no labels and is left alone.</remarks>
internal static class TinyImageNetLayout
{
    /// <summary>Whether one of its lists lies beside <c>train</c>: then it is this layout, whatever other folders there are.</summary>
    public static bool IsListed(string root) =>
        Directory.Exists(Train(root)) && (File.Exists(Annotations(root)) || File.Exists(WordNetIdentifiers(root)));

    /// <summary>Whether <c>train</c>, known to be a split, has the folders of this layout, though its lists are lost.</summary>
    public static bool Matches(string root) =>
        Directory.Exists(Train(root)) && PictureFolder.Subfolders(Train(root)).Any(folder => Directory.Exists(Path.Join(folder, "images")));

    public static FolderContents Read(string root)
    {
        var contents = new FolderContents("Tiny-ImageNet layout", root);
        var train = Train(root);
        var names = ReadClassNames(root, train);
        contents.SetClasses(names, ReadTitles(root, names));
        var labels = names.Index().ToDictionary(pair => pair.Item, pair => pair.Index);
        foreach (var folder in PictureFolder.Subfolders(train))
        {
            if (!labels.ContainsKey(Path.GetFileName(folder)))
                throw new ImageSourceException(
                    $"{folder} is a class that {WordNetIdentifiers(root)} does not list: add a line to it, or remove the folder.");
        }
        var listed = names.FindAll(name => Directory.Exists(Path.Join(train, name)));
        foreach (var (name, pictures) in listed.Zip(PictureFolder.PicturesBelow(root, listed.ConvertAll(name => Path.Join(train, name)))))
            contents.AddTraining(pictures, labels[name]);
        AddTest(contents, labels);
        return contents;
    }

    private static List<string> ReadClassNames(string root, string train)
    {
        var file = WordNetIdentifiers(root);
        if (!File.Exists(file))
            return PictureFolder.Subfolders(train).ConvertAll(folder => Path.GetFileName(folder)!);
        var names = new List<string>();
        var seen = new HashSet<string>();
        foreach (var (index, line) in File.ReadLines(file).Index())
        {
            if (line.Trim() is not { Length: > 0 } name)
                continue;
            if (name.AsSpan().ContainsAny(" \t/\\") || name is "." or "..")
                throw new ImageSourceException($"{file}, line {index + 1}: \"{name}\" is not the name of a class folder.");
            if (!seen.Add(name))
                throw new ImageSourceException($"{file}, line {index + 1}: the class {name} is listed twice.");
            names.Add(name);
        }
        return names;
    }

    private static List<string> ReadTitles(string root, List<string> names)
    {
        var file = Path.Join(root, "words.txt");
        if (!File.Exists(file))
            return names;
        var titles = names.ToDictionary(name => name);
        foreach (var line in File.ReadLines(file))
        {
            // It describes all of WordNet, 82,115 lines: only the classes that are here matter.
            if (line.IndexOf('\t') is var tab and > 0 && line[(tab + 1)..].Trim() is { Length: > 0 } title && titles.ContainsKey(line[..tab]))
                titles[line[..tab]] = title;
        }
        return names.ConvertAll(name => titles[name]);
    }

    private static void AddTest(FolderContents contents, Dictionary<string, int> labels)
    {
        var images = Path.Join(contents.Root, "val", "images");
        if (!Directory.Exists(images))
            return;
        var pictures = PictureFolder.Pictures(contents.Root, images, recurse: false);
        var file = Annotations(contents.Root);
        if (!File.Exists(file))
            throw new ImageSourceException(
                $"{file} is not there: without it the pictures in {images} have no labels; put it back, or remove that folder.");
        var labelOf = ReadAnnotations(file, pictures, labels);
        foreach (var picture in pictures)
        {
            if (!labelOf.TryGetValue(Path.GetFileName(picture.Name), out var label))
                throw new ImageSourceException($"{file} has no line for {Path.GetFileName(picture.Name)}: add one, or remove the picture.");
            contents.AddTest([picture], label);
        }
    }

    private static Dictionary<string, int> ReadAnnotations(string file, List<FoundPicture> pictures, Dictionary<string, int> labels)
    {
        var present = pictures.Select(picture => Path.GetFileName(picture.Name)).ToHashSet();
        var labelOf = new Dictionary<string, int>();
        foreach (var (index, line) in File.ReadLines(file).Index())
        {
            if (line.Length == 0)
                continue;
            var fields = line.Split('\t');
            var problem = fields.Length < 2 ? "a picture's file name, a tab and its class are expected"
                : !present.Contains(fields[0]) ? $"there is no picture {fields[0]} in val/images"
                : !labels.TryGetValue(fields[1], out var label) ? $"{fields[1]} is not one of the {labels.Count} classes"
                : !labelOf.TryAdd(fields[0], label) ? $"{fields[0]} has a line already"
                : null;
            if (problem is not null)
                throw new ImageSourceException($"{file}, line {index + 1}: {problem}.");
        }
        return labelOf;
    }

    private static string Train(string root) => Path.Join(root, "train");

    private static string Annotations(string root) => Path.Join(root, "val", "val_annotations.txt");

    private static string WordNetIdentifiers(string root) => Path.Join(root, "wnids.txt");
}
