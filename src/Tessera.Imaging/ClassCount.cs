namespace Tessera.Imaging;

/// <summary>How many sound pictures a class has.</summary>
/// <param name="Name">See <see cref="ImageSource.ClassNames"/>.</param>
/// <param name="Title">See <see cref="ImageSource.ClassTitles"/>.</param>
/// <param name="Training">To train on.</param>
/// <param name="Test">In the source's own test split.</param>
public sealed record ClassCount(string Name, string Title, int Training, int Test);
