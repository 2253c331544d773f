namespace Tessera.Imaging.Containers;

/// <summary>Which of a source's files are trained on and which are its test split, by their names.</summary>
/// <remarks>
/// A name's words are what stands between characters that are no letters, those of the file before those of the folders that it lies in:
/// <c>train-0000.tar</c>, <c>imagenet1k-validation-00.tar</c> and <c>val/0000.tar</c> are of a split. Of <c>val</c>, <c>valid</c>, <c>validation</c> and
/// <c>test</c> the first that is there is the test split, as in folders of pictures; the others are left alone. Where no file is called <c>train</c>, all are trained on.
/// </remarks>
/// <param name="Root">The folder that holds them.</param>
/// <param name="Training">Names below the root, with <c>/</c>, in ordinal order.</param>
/// <param name="Test">The same.</param>
/// <param name="TestName">What the test split is called; null where there is none.</param>
internal sealed record SplitFiles(string Root, IReadOnlyList<string> Training, IReadOnlyList<string> Test, string? TestName)
{
    private const string TrainingName = "train";

    private static readonly string[] TestNames = ["val", "valid", "validation", "test"];

    /// <summary>Training files first.</summary>
    public IReadOnlyList<string> All => [.. Training, .. Test];

    /// <summary>For <see cref="ImageSource.Kind"/>: which split is held out.</summary>
    public string Words => TestName is null ? "" : $", test split {TestName}";

    /// <param name="root">The folder that holds them.</param>
    /// <param name="files">Full paths.</param>
    /// <exception cref="ImageSourceException">Some are of a split and others of none.</exception>
    public static SplitFiles Of(string root, IEnumerable<string> files)
    {
        var names = files.Select(file => Path.GetRelativePath(root, file).Replace('\\', '/')).Order(StringComparer.Ordinal).ToList();
        var splits = names.ToLookup(SplitOf);
        if (!splits.Contains(TrainingName)) return new SplitFiles(root, names, [], null);
        if (splits[null].FirstOrDefault() is { } stray)
        {
            throw new ImageSourceException(
                $"{Path.Join(root, stray)} is of no split and {splits[TrainingName].First()} beside it is: name it {TrainingName}-…, {TestNames[0]}-… or alike, or move it away.");
        }
        var test = TestNames.FirstOrDefault(splits.Contains);
        return new SplitFiles(root, [.. splits[TrainingName]], test is null ? [] : [.. splits[test]], test);
    }

    private static string? SplitOf(string name) => name.Split('/').Reverse().Select(SplitOfPart).FirstOrDefault(split => split is not null);

    private static string? SplitOfPart(string part)
    {
        for (var (begin, i) = (0, 0); i <= part.Length; i++)
        {
            if (i < part.Length && char.IsAsciiLetter(part[i])) continue;
            var word = part[begin..i];
            begin = i + 1;
            if (word.Equals(TrainingName, StringComparison.OrdinalIgnoreCase)) return TrainingName;
            if (Array.Find(TestNames, name => word.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } test) return test;
        }
        return null;
    }
}
